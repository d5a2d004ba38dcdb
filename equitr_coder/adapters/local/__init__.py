"""This machine: files of a checkout, processes, the clock."""
