"""The map of a repository: which definitions matter for a request."""
