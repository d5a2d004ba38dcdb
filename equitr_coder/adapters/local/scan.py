"""Search as a program: `python scan.py PATTERN FILE...` prints `path NUL line:text`, as ripgrep does.

A program, so that a pattern that runs away can be killed. Uses the standard library only.
"""

import os
import re
import sys

_INVALID = 2


def main(arguments: list[str]) -> int:
    try:
        pattern = re.compile(arguments[0])
    except re.error as error:
        sys.stderr.write(str(error))
        return _INVALID
    out = sys.stdout.buffer
    for path in arguments[1:]:
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - one of thousands
                data = file.read()
        except OSError:
            continue
        text = data.decode("utf-8", "surrogateescape")
        for number, line in enumerate(text.split("\n"), 1):
            shown = line.removesuffix("\r")
            if pattern.search(shown) and (shown or number <= text.count("\n")):
                out.write(b"%b\0%d:%b\n" % (os.fsencode(path), number, shown.encode("utf-8", "surrogateescape")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
