"""Whole runs: chat in place, and the epic from request to landing."""
