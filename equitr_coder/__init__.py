"""EQUITR Coder: a strong model plans, cheap models build in parallel, code merges, checks and counts the money."""

__version__ = "0.1.0"
