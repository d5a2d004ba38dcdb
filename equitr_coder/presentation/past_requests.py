"""The file of what was asked before: one format for every front end, as prompt-toolkit's `FileHistory` writes it.

An entry is a line `# time` and the lines of the request, each after a `+`.
"""

from datetime import datetime

LONGEST_REQUEST = 100_000
"""Characters of an entry that is kept; a longer one was pasted and would only slow the next start."""


def read_requests(text: str) -> list[str]:
    """Oldest first."""
    requests: list[str] = []
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        if line.startswith("+"):
            lines.append(line[1:])
        elif lines:
            requests.append("\n".join(lines))
            lines = []
    return requests


def written_request(text: str, at: datetime) -> str:
    lines = "".join(f"+{line}\n" for line in text.split("\n"))
    return f"\n# {at}\n{lines}"
