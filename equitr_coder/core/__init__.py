"""The programmatic door: load a configuration, run a request, get a mapping. Thin, over `app`."""
