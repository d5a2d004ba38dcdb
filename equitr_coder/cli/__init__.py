"""The command line. Parses, watches a run and prints it; knows only presentation, ports and domain.

Imports nothing heavy until a command really needs it: `--help` must stay instant.
"""
