"""Which shell commands only read, so that they may run unasked.

A program is here because all it can do with the arguments let through is to read and print. Options are listed as
allowed, never as forbidden, wherever one of them could write, run something or be abbreviated.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from equitr_coder.engine.command_line import SimpleCommand, Word, leaves_root, parse, reaches_outside


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READERS = _words(
    "cat head tail wc ls grep egrep fgrep cut tr nl tac rev fold paste join comm cmp diff stat du df readlink realpath "
    "md5sum sha1sum sha256sum sha512sum cksum od hexdump strings column expand unexpand jq base64"
)
"""Whatever their arguments: read and print."""
_PRINTERS = _words("echo pwd true false basename dirname seq which type uname whoami id nproc")
"""As the readers, and their arguments are not paths that are opened."""
_VERSIONED = frozenset({"python", "python3", "node", "git", "gcc", "java", "ruby", "php"})

_TAKE_PATTERN = frozenset({"grep", "egrep", "fgrep", "rg", "sed"})
_NUMBER = re.compile(r"-\d+[A-Za-z]?")


def is_read_only(line: str, roots: Sequence[str] = ()) -> bool:
    """Whether all that the line does is to read inside the root and print.

    `roots` are absolute paths under which the root is known; without them every absolute path is outside.
    """
    commands = parse(line)
    if commands is None or leaves_root(line, roots):
        return False
    return all(only_reads(command, roots) for command in commands)


def only_reads(command: SimpleCommand, roots: Sequence[str] = ()) -> bool:
    """The same for one simple command."""
    program, arguments = command[0], command[1:]
    name, texts = program.text, [word.text for word in arguments]
    if program.glob >= 0:
        return False
    if name == "cd":
        return len(arguments) == 1 and arguments[0].glob < 0 and not texts[0].startswith("-")
    if name in _PRINTERS or (name in _VERSIONED and texts == ["--version"]):
        return True
    if name in _READERS:
        return not reaches_outside(_paths(name, arguments), roots)
    rule = _RULES.get(name)
    if rule is None or any(_expands_to_anything(name, word) for word in arguments):
        return False
    return rule(texts) and not reaches_outside(_paths(name, arguments), roots)


def _expands_to_anything(name: str, word: Word) -> bool:
    """A file may be named like an option, and a glob would put it among them; `uniq` counts its files."""
    return word.glob == 0 or (word.glob > 0 and (word.text.startswith("-") or name == "uniq"))


def _paths(name: str, arguments: Sequence[Word]) -> Sequence[Word]:
    """The arguments that may be paths: the pattern of a search, when it is the first word, is none."""
    given_by_option = any(re.match(r"-\w*[ef]|--[ref]", word.text) for word in arguments)
    if name not in _TAKE_PATTERN or given_by_option:
        return arguments
    pattern = next((index for index, word in enumerate(arguments) if not word.text.startswith("-")), None)
    return [word for index, word in enumerate(arguments) if index != pattern]


def _options_within(texts: Sequence[str], *, flags: str, names: frozenset[str] = frozenset()) -> bool:
    """Every argument with a dash is a cluster of `flags`, a number such as `-20`, or one of `names` (before `=`)."""
    return all(
        text in ("-", "--")
        or text.partition("=")[0] in names
        or (not text.startswith("--") and (set(text[1:]) <= set(flags) or _NUMBER.fullmatch(text)))
        for text in texts
        if text.startswith("-")
    )


_RG = _words(
    "--files --hidden --glob --iglob --type --type-not --type-list --ignore-case --smart-case --case-sensitive "
    "--fixed-strings --line-number --no-line-number --count --count-matches --files-with-matches "
    "--files-without-match --word-regexp --line-regexp --multiline --context --after-context --before-context "
    "--max-count --no-ignore --no-heading --heading --sort --sortr --stats --json --only-matching --invert-match "
    "--color --max-depth --follow --pcre2 --null --trim --vimgrep --with-filename --no-filename --passthru --text "
    "--max-columns --no-messages --version --regexp --replace --column --no-config --max-filesize"
)


def _rg(texts: Sequence[str]) -> bool:
    with_value = re.compile(r"-([ABCEgtTejmMr]).+")
    kept = [with_value.sub(r"-\1", text) for text in texts]
    return _options_within(kept, flags="iSsnNlcwxvFHhouUPLapI0ABCEgtTejmMrd.", names=_RG)


_SORT = _words(
    "--reverse --numeric-sort --unique --human-numeric-sort --version-sort --ignore-case --key --field-separator "
    "--general-numeric-sort --month-sort --stable --check --zero-terminated --ignore-leading-blanks"
)


def _sort(texts: Sequence[str]) -> bool:
    kept = [re.sub(r"^-([kt]).+", r"-\1", text) for text in texts]
    return _options_within(kept, flags="bdfghiMnrRsuVzcCkt", names=_SORT)


def _uniq(texts: Sequence[str]) -> bool:
    """A second file would be written to."""
    files = [text for text in texts if text == "-" or not text.startswith("-")]
    return len(files) <= 1 and _options_within(texts, flags="cdDuiz", names=_words("--count --repeated --unique"))


def _test(texts: Sequence[str]) -> bool:
    """With -v and -R bash evaluates what stands in the brackets of an array's name."""
    return not any(text in ("-v", "-R") or "$" in text or "`" in text for text in texts)


def _printf(texts: Sequence[str]) -> bool:
    """With -v bash sets a variable, which may be PATH."""
    return not any(text.startswith("-v") for text in texts)


def _file(texts: Sequence[str]) -> bool:
    return _options_within(texts, flags="biLk", names=_words("--brief --mime --mime-type"))


def _tree(texts: Sequence[str]) -> bool:
    names = _words("--noreport --dirsfirst --gitignore --prune --du")
    return _options_within(texts, flags="adfLIPCnshDp", names=names)


def _date(texts: Sequence[str]) -> bool:
    return all(text.startswith("+") or text in ("-u", "-I", "-R", "--utc", "--iso-8601") for text in texts)


_FIND = _words(
    "-name -iname -path -ipath -wholename -iwholename -type -maxdepth -mindepth -size -mtime -mmin -ctime -newer "
    "-not -o -or -a -and -print -print0 -prune -empty -regex -iregex -regextype -perm -user -group -L -H -P -xdev "
    "-mount -depth -ls -printf -quit -links -inum -readable -writable -executable -true -false"
)


def _find(texts: Sequence[str]) -> bool:
    return all(text in _FIND or bool(_NUMBER.fullmatch(text)) for text in texts if text.startswith("-"))


_ADDRESS = r"(?:\d+|\$|/[^/\\;{}\[]*/)"
_SED_STEP = rf"\s*(?:{_ADDRESS}(?:,\+?{_ADDRESS})?\s*[pdq=]|s/[^/\\\[]*/[^/\\]*/[gpI0-9]*)\s*"
_SED_SCRIPT = re.compile(rf"{_SED_STEP}(?:;{_SED_STEP})*;?\s*")
"""Without brackets and backslashes, inside which a slash does not end a pattern for every sed."""


def _sed(texts: Sequence[str]) -> bool:
    """Printing, deleting from what is printed, and plain replacing; no command that writes or runs."""
    words = [text for text in texts if not text.startswith("-")]
    if not words or not _options_within(texts, flags="nEruz", names=_words("--quiet --silent --regexp-extended")):
        return False
    return bool(_SED_SCRIPT.fullmatch(words[0]))


def _command(texts: Sequence[str]) -> bool:
    return len(texts) == 2 and texts[0] in ("-v", "-V")


# ---------------------------------------------------------------- git

_GIT_READERS = _words(
    "status log diff show rev-parse ls-files ls-tree blame describe shortlog show-ref for-each-ref merge-base "
    "name-rev rev-list diff-tree diff-index diff-files whatchanged count-objects check-ignore version"
)
_GIT_HARMFUL = _words(
    "--output --ext-diff --textconv --open-files-in-pager --exec --upload-pack --filters --paginate --no-index "
    "--show-signature"
)
"""Options that write or run something. Git accepts abbreviations, so their beginnings count too."""
_BRANCH = _words(
    "-a -r -v -vv --all --remotes --verbose --list --show-current --contains --no-contains --merged --no-merged "
    "--sort --format --points-at --no-color"
)
_BRANCH_LISTS = frozenset({"--list", "--contains", "--no-contains", "--merged", "--no-merged", "--points-at"})
_TAG = _words("-l --list -n --sort --format --contains --no-contains --points-at --merged --no-merged")


def _git(texts: Sequence[str]) -> bool:
    words = list(texts)
    while words and words[0] in ("--no-pager", "-P"):
        words.pop(0)
    if not words or any(_is_harmful(word) for word in words[1:]):
        return False
    name, rest = words[0], words[1:]
    if name in _GIT_READERS:
        return True
    rule = _GIT_RULES.get(name)
    return rule is not None and rule(rest)


def _is_harmful(word: str) -> bool:
    name = word.partition("=")[0]
    if not name.startswith("--") or name == "--":
        return False
    return any(harmful.startswith(name) or name.startswith(harmful) for harmful in _GIT_HARMFUL)


def _git_grep(texts: Sequence[str]) -> bool:
    return not any(text.startswith("-") and not text.startswith("--") and "O" in text for text in texts)


def _git_branch(texts: Sequence[str]) -> bool:
    options = [text.partition("=")[0] for text in texts if text.startswith("-")]
    lists = len(options) == len(texts) or bool(_BRANCH_LISTS & set(options))
    return set(options) <= _BRANCH and lists


def _git_tag(texts: Sequence[str]) -> bool:
    options = [text.partition("=")[0] for text in texts if text.startswith("-")]
    return set(options) <= _TAG and (len(options) == len(texts) or bool({"-l", "--list"} & set(options)))


def _git_remote(texts: Sequence[str]) -> bool:
    return list(texts) in ([], ["-v"], ["--verbose"]) or (len(texts) == 2 and texts[0] == "get-url")


def _git_stash(texts: Sequence[str]) -> bool:
    return bool(texts) and texts[0] in ("list", "show")


def _git_reflog(texts: Sequence[str]) -> bool:
    return not texts or texts[0] == "show" or bool(_NUMBER.fullmatch(texts[0])) or texts[0] == "-n"


def _git_config(texts: Sequence[str]) -> bool:
    return list(texts) in (["--list"], ["-l"], ["list"]) or (len(texts) == 2 and texts[0] in ("--get", "--get-all"))


def _git_cat_file(texts: Sequence[str]) -> bool:
    return len(texts) == 2 and texts[0] in ("-p", "-t", "-s", "-e", "blob", "tree", "commit", "tag")


def _git_worktree(texts: Sequence[str]) -> bool:
    return list(texts) in (["list"], ["list", "--porcelain"])


_GIT_RULES: Mapping[str, Callable[[Sequence[str]], bool]] = {
    "grep": _git_grep,
    "branch": _git_branch,
    "tag": _git_tag,
    "remote": _git_remote,
    "stash": _git_stash,
    "reflog": _git_reflog,
    "config": _git_config,
    "cat-file": _git_cat_file,
    "worktree": _git_worktree,
}

_RULES: Mapping[str, Callable[[Sequence[str]], bool]] = {
    "rg": _rg,
    "sort": _sort,
    "uniq": _uniq,
    "test": _test,
    "printf": _printf,
    "file": _file,
    "tree": _tree,
    "date": _date,
    "find": _find,
    "sed": _sed,
    "command": _command,
    "git": _git,
}
