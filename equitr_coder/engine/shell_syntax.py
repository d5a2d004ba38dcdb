"""A shell line as a syntax tree, and every simple command in it: in pipelines, lists, substitutions and bodies, behind
wrappers (`sudo`, `timeout`, `xargs`, `find -exec`), and in the text that `sh -c` and `eval` are given.

Runs nothing and expands nothing. What the shell would only know when it runs is *not certain* here, and what cannot be
read at all is a problem of the whole line: whoever decides must not say yes to either.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from equitr_coder.domain.frozen import frozen

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

LONGEST = 20_000
"""Characters of a line that is read."""
_DEEPEST = 6
"""Lines within lines."""
_MOST = 500
"""Commands of one line."""

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash"})
_CONTINUED = re.compile(r"(?<!\\)((?:\\\\)*)\\\n")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPE_IN_QUOTES = re.compile(r'\\(["\\$`])')
_GLOB = re.compile(r"(?<!\\)(?:\\\\)*[*?\[]")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\+?=(.*)", re.DOTALL)
_EXEC = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_SHELL_OPTION = re.compile(r"[-+][A-Za-z]+")


@frozen
class Word:
    """One argument after quotes are removed; an expansion stands as it is written."""

    text: str
    is_certain: bool = True
    """Whether the shell sees exactly this text, but for a glob."""
    has_glob: bool = False


@frozen
class Redirection:
    operator: str
    target: Word

    @property
    def writes(self) -> bool:
        """Into a file: not to another descriptor (`2>&1`, `>&-`)."""
        is_descriptor = self.operator in (">&", "<&") and re.fullmatch(r"\d+|-", self.target.text)
        return ">" in self.operator and not is_descriptor


@frozen
class Call:
    """One simple command."""

    words: tuple[Word, ...]
    assignments: tuple[tuple[str, Word], ...] = ()
    redirections: tuple[Redirection, ...] = ()
    is_inner: bool = False
    """Whether another command is what starts it: `rm x` of `sudo rm x`."""
    given: Word | None = None
    """Text on its standard input: a here-document or a here-string."""

    @property
    def program(self) -> str:
        """Without its folder; empty when only the shell knows it, or when there is none."""
        if not self.words or not self.words[0].is_certain or self.words[0].has_glob:
            return ""
        return self.words[0].text.rpartition("/")[2]

    @property
    def arguments(self) -> tuple[Word, ...]:
        return self.words[1:]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def is_certain(self) -> bool:
        return all(word.is_certain for word in self.words)


@frozen
class ShellLine:
    calls: tuple[Call, ...]
    problem: str = ""
    """Why a part of it is not understood; then `calls` may lack some."""


def read_line(line: str) -> ShellLine:
    """Every simple command of the line, outer ones before those they start."""
    reading = _Reading()
    reading.read(line, depth=0, is_inner=False)
    return ShellLine(tuple(reading.calls), reading.problem)


@cache
def _parser() -> "Parser":
    """Loaded with the first command that an agent wants to run."""
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


@dataclass
class _Reading:
    calls: list[Call] = field(default_factory=list)
    problem: str = ""

    def read(self, line: str, *, depth: int, is_inner: bool) -> None:
        if self._is_hopeless(line, depth):
            return
        text = _CONTINUED.sub(r"\1", line)
        root = _parser().parse(text.encode("utf-8", "surrogatepass")).root_node
        if root.has_error:
            self._fail("it cannot be read as a shell command")
        self._walk(root, (), depth=depth, is_inner=is_inner)

    def _is_hopeless(self, line: str, depth: int) -> bool:
        if depth > _DEEPEST or len(self.calls) > _MOST or len(line) > LONGEST:
            self._fail("it is too long or too deep to be read")
        elif odd := next((char for char in line if _is_odd(char)), ""):
            self._fail(f"it holds the character U+{ord(odd):04X}, which does not show")
        else:
            return False
        return True

    def _fail(self, why: str) -> None:
        self.problem = self.problem or why

    def _walk(self, node: "Node", outside: tuple["Node", ...], *, depth: int, is_inner: bool) -> None:
        """`outside` are redirections of what holds the node."""
        match node.type:
            case "command":
                self._command(node, outside, depth=depth, is_inner=is_inner)
            case "redirected_statement":
                redirects = tuple(node.children_by_field_name("redirect"))
                body = node.child_by_field_name("body")
                if body is None:
                    self._add(Call((), (), _redirections(redirects), is_inner), depth)
                elif body.type == "command":
                    self._command(body, (*outside, *redirects), depth=depth, is_inner=is_inner)
                else:
                    self._add(Call((), (), _redirections(redirects), is_inner, _given(redirects)), depth)
                    self._walk(body, (), depth=depth, is_inner=is_inner)
                for redirect in redirects:
                    self._below(redirect, depth=depth)
            case "declaration_command":
                words = [_word(child) for child in node.children if child.type != "variable_assignment"]
                made = [_assignment(child) for child in node.children if child.type == "variable_assignment"]
                self._add(Call(tuple(words), tuple(made), (), is_inner), depth)
                self._below(node, depth=depth)
            case "unset_command" | "test_command":
                self._add(Call(tuple(map(_word, node.children)), (), (), is_inner), depth)
                self._below(node, depth=depth)
            case "variable_assignment":
                self._add(Call((), (_assignment(node),), (), is_inner), depth)
                self._below(node, depth=depth)
            case "function_definition":
                self._fail("it defines a function, and what that name means from then on is not followed")
                self._below(node, depth=depth)
            case "for_statement":
                variable = node.child_by_field_name("variable")
                named = _text(variable) if variable is not None else ""
                self._add(Call((), ((named, Word("", is_certain=False)),), (), is_inner), depth)
                self._below(node, depth=depth)
            case _:
                self._below(node, depth=depth, is_inner=is_inner)

    def _below(self, node: "Node", *, depth: int, is_inner: bool = False) -> None:
        for child in node.children:
            self._walk(child, (), depth=depth, is_inner=is_inner)

    def _command(self, node: "Node", outside: tuple["Node", ...], *, depth: int, is_inner: bool) -> None:
        words, made, redirects = [], [], list(outside)
        for child in node.children:
            if child.type == "variable_assignment":
                made.append(_assignment(child))
            elif child.type.endswith("_redirect"):
                redirects.append(child)
            elif child.type == "command_name":
                words.append(_word(child.children[0]) if child.children else _word(child))
            elif child.type == "subshell":
                self._fail("it cannot be read as a shell command")
            else:
                words.append(_word(child))
        for redirect in redirects:
            words += [_word(argument) for argument in redirect.children_by_field_name("argument")]
        self._add(Call(tuple(words), tuple(made), _redirections(redirects), is_inner, _given(redirects)), depth)
        for child in node.children:
            self._below(child, depth=depth)

    def _add(self, call: Call, depth: int) -> None:
        if len(self.calls) > _MOST:
            self._fail("it is too long or too deep to be read")
            return
        if call.words or call.assignments or call.redirections:
            self.calls.append(call)
        if call.words:
            self._start(call, depth)

    def _start(self, call: Call, depth: int) -> None:
        """What the command runs in its turn."""
        name = call.program
        if name in SHELLS or name in ("su", "script"):
            self._shell(call, depth)
        elif name == "eval":
            if not call.is_certain:
                self._fail("what `eval` runs is known only when it runs")
            self.read(" ".join(word.text for word in call.arguments), depth=depth + 1, is_inner=True)
        elif name in {"trap", "alias"}:
            self._fail(f"what `{name}` lets run later is not followed")
        else:
            for inner in _inner_commands(call):
                self._add(inner, depth + 1)
            if depth > _DEEPEST:
                self._fail("it is too long or too deep to be read")

    def _shell(self, call: Call, depth: int) -> None:
        arguments = list(call.arguments)
        while arguments and _SHELL_OPTION.fullmatch(arguments[0].text):
            option = arguments.pop(0)
            if option.text.startswith("-") and "c" in option.text:
                while arguments and _SHELL_OPTION.fullmatch(arguments[0].text):
                    arguments.pop(0)
                if not arguments:
                    return
                if not arguments[0].is_certain:
                    self._fail(f"what `{call.program} -c` runs is known only when it runs")
                self.read(arguments[0].text, depth=depth + 1, is_inner=True)
                return
            if option.text in ("-o", "+o") and arguments:
                arguments.pop(0)
        if call.program in ("su", "script"):
            return
        if call.given is not None and call.given.is_certain:
            self.read(call.given.text, depth=depth + 1, is_inner=True)
        elif not arguments or arguments[0].text in ("-", "-s", "/dev/stdin") or not arguments[0].is_certain:
            self._fail(f"what `{call.program}` is given to run is not known")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VALUED: Mapping[str, frozenset[str]] = {
    "sudo": _words("-u -g -h -p -C -T -r -t -D -R -U --user --group --host --prompt --chdir"),
    "doas": frozenset({"-u", "-C"}),
    "env": frozenset({"-u", "-C", "--unset", "--chdir"}),
    "timeout": frozenset({"-k", "-s", "--kill-after", "--signal"}),
    "nice": frozenset({"-n", "--adjustment"}),
    "ionice": frozenset({"-c", "-n", "-p", "--class", "--classdata"}),
    "stdbuf": frozenset({"-i", "-o", "-e", "--input", "--output", "--error"}),
    "time": frozenset({"-f", "-o", "--format", "--output"}),
    "xargs": _words("-a -d -E -I -L -n -P -s --arg-file --delimiter --max-args --max-procs --max-lines --max-chars"),
    "nohup": frozenset(),
    "setsid": frozenset(),
    "exec": frozenset({"-a"}),
    "command": frozenset(),
    "builtin": frozenset(),
    "busybox": frozenset(),
    "chroot": frozenset(),
    "unshare": frozenset(),
    "strace": frozenset({"-o", "-e", "-p", "-s"}),
    "watch": frozenset({"-n", "--interval"}),
    "flock": frozenset({"-w", "-E"}),
    "parallel": frozenset({"-j"}),
    "caffeinate": frozenset({"-t", "-w"}),
    "pkexec": frozenset({"--user"}),
    "noglob": frozenset(),
    "coproc": frozenset(),
    "taskset": frozenset({"-p"}),
    "fakeroot": frozenset(),
    "xvfb-run": frozenset({"-s", "-n", "-e"}),
    "dbus-run-session": frozenset(),
}
"""Programs that start the one that follows -> their options that take a value."""
WRAPPERS = frozenset(_VALUED)
_FIRST_IS_ITS_OWN = frozenset({"timeout", "chroot", "flock", "taskset"})
"""Their first argument is a time, a folder, a lock."""


def _inner_commands(call: Call) -> Iterator[Call]:
    name, words = call.program, call.arguments
    if name in {"find", "fd"}:
        yield from _found(words)
        return
    if name not in _VALUED:
        return
    at, made = 0, list(call.assignments)
    while at < len(words):
        text = words[at].text
        if name == "env" and (text in ("-S", "--split-string") or text.startswith("-S")):
            yield Call((Word("env -S", is_certain=False),), is_inner=True)
            return
        if name == "command" and text in ("-v", "-V"):
            return
        if (assigned := _ASSIGNMENT.fullmatch(text)) and name in ("env", "sudo", "doas"):
            made.append((assigned[1], Word(assigned[2], words[at].is_certain)))
        elif text == "--":
            at += 1
            break
        elif text.startswith("-") and len(text) > 1:
            at += text in _VALUED[name]
        else:
            break
        at += 1
    if name in _FIRST_IS_ITS_OWN:
        at += 1
    rest = words[at:]
    if name == "xargs" and rest:
        rest = (*rest, Word("...", is_certain=False))
    if rest:
        yield Call(tuple(rest), tuple(made[len(call.assignments) :]), (), is_inner=True)


def _found(words: Sequence[Word]) -> Iterator[Call]:
    for at, word in enumerate(words):
        if word.text in _EXEC or word.text in ("-x", "-X", "--exec", "--exec-batch"):
            rest = list(words[at + 1 :])
            end = next((index for index, each in enumerate(rest) if each.text in (";", "+")), len(rest))
            named = [Word(each.text, is_certain=False) if "{}" in each.text else each for each in rest[:end]]
            if named:
                yield Call(tuple(named), is_inner=True)


def _is_odd(char: str) -> bool:
    if char in "\n\t ":
        return False
    return char.isspace() or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")


def _text(node: "Node") -> str:
    return (node.text or b"").decode("utf-8", "surrogatepass")


def _word(node: "Node") -> Word:
    text = _text(node)
    match node.type:
        case "word" | "number" | "test_operator" | "regex" | "variable_name" | "extglob_pattern":
            is_plain = not ("{" in text and len(text) > 2) and not node.named_children
            return Word(_ESCAPE.sub(r"\1", text), is_plain, bool(_GLOB.search(text)))
        case "raw_string":
            return Word(text[1:-1])
        case "string":
            return _quoted(node)
        case "concatenation":
            parts = [_word(child) for child in node.children]
            is_braced = any(child.type == "word" and _text(child) == "{" for child in node.children)
            return Word(
                "".join(part.text for part in parts),
                all(part.is_certain for part in parts) and not is_braced,
                any(part.has_glob for part in parts),
            )
        case _:
            return Word(text, is_certain=not node.is_named and (text.isidentifier() or text in "[]{}()!-=<>"))


def _quoted(node: "Node") -> Word:
    """The tree leaves blanks at the ends of a string out, so the text is taken from the source."""
    inside = _text(node)[1:-1]
    is_certain = all(child.type in ('"', "string_content", "$") for child in node.children)
    return Word(_ESCAPE_IN_QUOTES.sub(r"\1", inside) if is_certain else inside, is_certain)


def _assignment(node: "Node") -> tuple[str, Word]:
    name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
    return (_text(name) if name is not None else ""), (_word(value) if value is not None else Word(""))


def _redirections(nodes: Sequence["Node"]) -> tuple[Redirection, ...]:
    found = []
    # What follows `<<EOF` on its line stands inside its node.
    inside = [child for node in nodes if node.type == "heredoc_redirect" for child in node.children]
    for node in (*nodes, *inside):
        if node.type == "file_redirect":
            operator = next((_text(child) for child in node.children if not child.is_named), ">")
            targets = node.children_by_field_name("destination") or [node]
            found += [Redirection(operator, _word(target)) for target in targets]
    return tuple(found)


def _given(nodes: Sequence["Node"]) -> Word | None:
    for node in nodes:
        if node.type == "herestring_redirect":
            return _word(node.children[-1])
        if node.type == "heredoc_redirect":
            start = next((_text(child) for child in node.children if child.type == "heredoc_start"), "")
            body = next((child for child in node.children if child.type == "heredoc_body"), None)
            if body is None:
                return Word("")
            text = _text(body)
            is_literal = start[:1] in "'\"\\" or not re.search(r"[$`\\]", text)
            return Word(text, is_certain=is_literal)
    return None
