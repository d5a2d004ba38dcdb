"""Tool calls in an answer's text: the text protocol, calls that arrive as text, and calls that need mending."""
