"""Reads lines of logfmt: `level=info msg="two words" retry`."""


def parse_line(line):
    """The fields of one line, in order, as a dict of strings; a bare key is "true".

    Values in double quotes may hold spaces, `=`, and the escapes `\\"`, `\\\\` and `\\n`. A later field of the same
    name wins. Raises ValueError, with the position counted from 0, for a quote that is not closed, for a line
    with a field without a name (`=5`), and for text glued to a closing quote (`a="b"c`).
    """
    raise NotImplementedError
