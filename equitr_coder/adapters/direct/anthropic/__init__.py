"""Anthropic messages over httpx, without its library."""
