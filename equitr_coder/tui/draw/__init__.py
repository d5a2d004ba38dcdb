"""Rows of the screen as pure functions: values, width and height in; rows out. No Textual, no clock, no door."""
