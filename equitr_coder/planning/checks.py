"""Checks that prove nothing because they cannot fail. Reads only the shell it is sure of: in doubt a check counts.

Known: commands that always succeed, `... || true`, `...; echo ok`, pipes into commands that hide the exit code,
background jobs, `sh -c` and `python -c` around any of these.
"""

import re
import shlex
from collections.abc import Sequence

_ALWAYS = frozenset(
    {"true", ":", "echo", "printf", "pwd", "date", "whoami", "hostname", "sleep", "clear", "uptime", "wait"}
)
_HIDES_EXIT_CODE = frozenset({"cat", "tee", "head", "tail", "sort", "uniq", "wc", "less", "more", "tr", "nl", "column"})
_WRAPPERS = frozenset({"env", "time", "command", "exec", "nohup", "nice", "builtin"})
_COMPOUND = frozenset({"if", "for", "while", "until", "case", "select", "function", "{", "}", "!", "[["})
_IDLE_PYTHON = re.compile(
    r"^\s*(?:(?:pass|\d+|print\([^()]*\)|import sys|(?:sys\.)?exit\((?:0)?\)|quit\(\))\s*(?:;|\n|$)\s*)*$"
)
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")


def cannot_fail(command: str) -> str:
    """Why the command succeeds whatever the code does; empty when it can fail."""
    tokens = _tokens(command)
    if tokens is None:
        return ""
    if any(_is_beyond_us(token) for token in tokens):
        return ""
    return _list_cannot_fail(tokens)


def _tokens(command: str) -> list[str] | None:
    """Words with their quotes, and operators; a line end is `;`. None when the quoting cannot be followed."""
    joined = command.replace("\\\n", " ")
    uncommented = re.sub(r"(?m)(?:^|(?<=[\s;]))#[^'\"\n]*$", "", joined)
    lexer = shlex.shlex(uncommented, posix=False, punctuation_chars=";&|()<>\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        found = list(lexer)
    except ValueError:
        return None
    tokens: list[str] = []
    for token in found:
        operator = token if token.strip("\n") == token else token.strip("\n") or ";"
        if not (operator == ";" and (not tokens or tokens[-1] in (";", "&&", "||", "|"))):
            tokens.append(operator)
    return tokens


def _list_cannot_fail(tokens: Sequence[str]) -> str:
    """The exit code of a list is that of its last command, unless `set -e` or `exit` intervenes."""
    statements = _split(tokens, {";", "&"})
    stops_at_failure = False
    reason = "it runs nothing"
    for words, ending in statements:
        if not words:
            continue
        if words[0] == "set" and any(re.match(r"-\w*e", word) for word in words[1:]):
            stops_at_failure = True
            continue
        reason_here = "it runs in the background" if ending == "&" else _chain_cannot_fail(words)
        if stops_at_failure and not reason_here:
            return ""
        reason = reason_here
        if words[0] == "exit" and reason_here:
            break
    return reason


def _chain_cannot_fail(words: Sequence[str]) -> str:
    """`a && b || c`: true whenever an alternative after `||` is; else only when every part is."""
    for index, (part, _) in enumerate(_split(words, {"||"})):
        steps = [_pipe_cannot_fail(step) for step, _ in _split(part, {"&&"})]
        if steps and all(steps):
            return f"`|| {' '.join(part)}` hides every failure" if index else steps[-1]
    return ""


def _pipe_cannot_fail(words: Sequence[str]) -> str:
    stages = _split(words, {"|", "|&"})
    last = _bare_command(stages[-1][0]) if stages else []
    if len(stages) > 1 and last and last[0] in _HIDES_EXIT_CODE:
        return f"the pipe into `{last[0]}` hides the exit code"
    return _command_cannot_fail(last)


def _command_cannot_fail(words: Sequence[str]) -> str:
    if not words:
        return "it runs nothing"
    name, arguments = words[0], [_unquoted(word) for word in words[1:]]
    shown = f"`{' '.join(words)}` always succeeds"
    match name.rsplit("/", 1)[-1]:
        case known if known in _ALWAYS:
            return shown
        case "exit" | "return":
            return shown if arguments[:1] == ["0"] else ""
        case "cd" | "ls":
            return shown if arguments in ([], ["."]) else ""
        case "test" | "[":
            return shown if _is_tautology([word for word in arguments if word != "]"]) else ""
        case "sh" | "bash" | "dash" | "zsh":
            return cannot_fail(arguments[-1]) if len(arguments) == 2 and re.fullmatch(r"-\w*c", arguments[0]) else ""
        case "python" | "python3":
            idle = len(arguments) == 2 and arguments[0] == "-c" and _IDLE_PYTHON.match(arguments[1])
            return shown if idle or arguments in (["--version"], ["-V"]) else ""
        case _:
            return ""


def _is_tautology(arguments: Sequence[str]) -> bool:
    match arguments:
        case [one, "=" | "==" | "-eq" | "-le" | "-ge", other]:
            return one == other and "$" not in one
        case ["-d" | "-e", "." | "/" | "./"]:
            return True
        case [word]:
            return bool(word) and "$" not in word
        case _:
            return False


def _bare_command(words: Sequence[str]) -> list[str]:
    """Without redirections, assignments before the command, and wrappers such as `env` and `timeout 60`."""
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif set(word) & set("<>") and not set(word) - set("<>&|"):
            skip = True
            if kept and kept[-1].isdigit():
                kept.pop()
        else:
            kept.append(word)
    while kept and (_ASSIGNMENT.match(kept[0]) or kept[0] in _WRAPPERS or kept[0] == "timeout"):
        kept = kept[2:] if kept[0] == "timeout" else kept[1:]
    return kept


def _is_beyond_us(token: str) -> bool:
    """Compound commands, subshells, here-documents, and words that quotes begin or end in."""
    if token[0] not in "'\"" and (token.count("'") % 2 or token.count('"') % 2):
        return True
    return token in _COMPOUND or (
        token[0] not in "'\"" and ("(" in token or ")" in token or "<<" in token or ";;" in token)
    )


def _split(words: Sequence[str], operators: set[str]) -> list[tuple[list[str], str]]:
    """The parts between operators, each with the operator that ends it."""
    parts: list[tuple[list[str], str]] = []
    current: list[str] = []
    for word in words:
        if word in operators:
            parts.append((current, word))
            current = []
        else:
            current.append(word)
    return [*parts, (current, "")] if current or not parts else parts


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"" else word
