"""The prompt of the screen: an editor of one request, which knows nothing of runs, models or the door."""
