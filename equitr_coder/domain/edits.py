"""Words that tools and engine share about edits."""

EDIT_TOOLS = ("edit_file", "apply_patch")
"""Tools that change a part of a file by quoting it. Each can do what the other does."""

UNCHANGED = "no byte was changed"
"""Stands in every error of an edit whose place or form is wrong, and in no other: it is how a failed edit is known."""
