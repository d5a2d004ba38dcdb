"""File name patterns: `*`, `?`, `[...]`, `{a,b}`, and `**` for any number of folders. Case counts."""

import re
from functools import lru_cache


@lru_cache(maxsize=256)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """Matches a whole relative path. Without a `/` the pattern means a name in any folder, as in `.gitignore`."""
    anchored = pattern.removeprefix("./").removeprefix("/")
    if anchored.endswith("/"):
        anchored += "**"
    if "/" not in pattern.removeprefix("./"):
        anchored = f"**/{anchored}"
    return re.compile(_translate(anchored), re.DOTALL)


def _translate(glob: str) -> str:
    out: list[str] = []
    at = depth = 0
    while at < len(glob):
        char = glob[at]
        if glob.startswith("**/", at) and _starts_component(glob, at):
            out.append("(?:[^/]+/)*")
            at += 3
        elif glob.startswith("**", at):
            out.append(".*")
            at += 2
        elif char == "[" and (end := _end_of_set(glob, at)) is not None:
            out.append(_set(glob[at + 1 : end]))
            at = end + 1
        else:
            if char == "{" and "}" in glob[at:]:
                out.append("(?:")
                depth += 1
            elif char == "}" and depth:
                out.append(")")
                depth -= 1
            elif char == "," and depth:
                out.append("|")
            else:
                out.append({"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char))
            at += 1
    return "".join(out) + ")" * depth + r"\Z"


def _starts_component(glob: str, at: int) -> bool:
    return at == 0 or glob[at - 1] in "/{,"


def _end_of_set(glob: str, at: int) -> int | None:
    first = at + 2 if glob[at + 1 : at + 2] in ("!", "^") else at + 1
    end = glob.find("]", first + 1)
    return end if end > 0 and "/" not in glob[at:end] else None


def _set(inside: str) -> str:
    negated = inside[0] in "!^"
    body = inside[1:] if negated else inside
    # A range the wrong way round matches nothing, where `re` would refuse it.
    for low, high in re.findall(r"(.)-(.)", body, re.DOTALL):
        if low > high:
            return "(?!)"
    escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", body)
    return f"[^/{escaped}]" if negated else f"(?!/)[{escaped}]"
