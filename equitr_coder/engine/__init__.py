"""One agent: reserve, stream, settle, run tools, repeat."""
