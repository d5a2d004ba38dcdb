"""Drives agents on an approved epic: schedule, workers, merge queue, receipts."""
