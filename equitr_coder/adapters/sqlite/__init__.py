"""SQLite: the event log, the index of runs, open journals; and blobs beside it."""
