"""Edits of text: one matching core, and the formats in which models write what to change. Pure: no file is touched."""
