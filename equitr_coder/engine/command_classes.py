"""What a simple command is, as far as permission goes: ruinous, worth a question though the sandbox holds it, or
destructive, so that the files are kept before it runs. Names what is known; the sandbox is the wall for the rest.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from posixpath import normpath

from equitr_coder.engine.shell_syntax import Call, Word, read_line


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PRIVILEGED = _words(
    "sudo doas su pkexec chroot unshare nsenter mount umount setcap insmod modprobe useradd passwd visudo"
)
_MACHINE = _words(
    "systemctl service crontab at batch launchctl iptables nft ufw sysctl docker podman nerdctl kubectl helm terraform "
    "tofu pulumi ansible ansible-playbook aws gcloud az vagrant osascript"
)
_NETWORK = _words("ssh scp sftp ftp telnet nc ncat netcat socat curl wget rsync rclone lftp tftp ssh-copy-id")
_RUINOUS = _words("shutdown reboot halt poweroff mkfs fdisk parted wipefs mkswap")
_LATER = _words("alias trap enable bind complete hash coproc")
"""Builtins after which a name means something else, or something runs that nobody sees here."""
_SETTERS = _words("read printf mapfile readarray getopts let declare typeset local readonly export unset env")
_STEERING = re.compile(
    r"PATH|ENV|IFS|SHELL|SHELLOPTS|BASHOPTS|BASH_.*|PS4|PROMPT_COMMAND|CDPATH|HOME|EDITOR|VISUAL|PAGER|LD_.*|DYLD_.*"
    r"|GIT_.*|SSH_.*|NODE_OPTIONS|NODE_PATH|PYTHONSTARTUP|PYTHONPATH|PYTHONHOME|PYTHONINSPECT|PERL5(?:LIB|OPT|DB)"
    r"|RUBY(?:OPT|LIB)|JAVA_TOOL_OPTIONS|LESSOPEN|LESSCLOSE|MANPAGER|BROWSER|HTTPS?_PROXY|https?_proxy|ALL_PROXY"
    r"|GCONV_PATH|MAKEFLAGS|RUSTC(?:_WRAPPER)?|CARGO_HOME|EQUITR_.*"
)
_PUBLISHES: Mapping[str, frozenset[str]] = {
    "npm": _words("publish unpublish deprecate dist-tag owner login token adduser"),
    "pnpm": _words("publish"),
    "yarn": _words("publish npm"),
    "cargo": _words("publish yank owner login"),
    "twine": _words("upload register"),
    "poetry": _words("publish"),
    "uv": _words("publish"),
    "flit": _words("publish"),
    "hatch": _words("publish"),
    "gem": _words("push yank owner"),
    "mvn": _words("deploy release:perform"),
    "gradle": _words("publish"),
    "vsce": _words("publish"),
    "dotnet": _words("nuget"),
    "gh": _words("release repo api pr secret auth workflow gist"),
    "git": _words("push send-email request-pull"),
    "goreleaser": _words("release"),
    "composer": _words("publish"),
    "mix": _words("hex.publish"),
    "deno": _words("publish"),
}
_DATABASES = _words(
    "psql mysql mariadb sqlite3 mongosh mongo sqlcmd clickhouse-client duckdb cqlsh mysqladmin redis-cli"
)
_DROPS = re.compile(
    r"\b(?:drop\s+(?:database|schema|table|keyspace|index|view)|truncate\s+(?:table\s+)?\w|delete\s+from|dropDatabase"
    r"|flushall|flushdb)\b|^drop$",
    re.IGNORECASE,
)
_RESETS: Mapping[str, re.Pattern[str]] = {
    "dropdb": re.compile(r""),
    "rails": re.compile(r"\bdb:(?:drop|reset|purge)"),
    "rake": re.compile(r"\bdb:(?:drop|reset|purge)"),
    "prisma": re.compile(r"\bmigrate reset|\bdb push --force"),
    "alembic": re.compile(r"\bdowngrade base"),
    "manage.py": re.compile(r"\b(?:flush|reset_db|sqlflush)\b"),
}
_GIT_VALUES = frozenset({"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env"})
_GIT_HARMLESS_KEYS = re.compile(r"(?:color|user|advice|column|init|pull|log)\.|core\.(?:quotepath|pager=cat$)", re.I)
_GIT_STEERING = _words("filter-branch filter-repo send-email daemon credential hook maintenance")
_SECRET = re.compile(
    r"(?:^|/)(?:\.ssh|\.gnupg|\.aws|\.azure|\.kube|\.docker|\.netrc|\.npmrc|\.pypirc|\.git-credentials|\.config/gcloud"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)|\.bash_history|\.bashrc|\.bash_profile|\.profile|\.zshrc|\.zshenv)(?:/|$)"
)
_READABLE = ("/usr/", "/bin/", "/lib/", "/lib64/", "/opt/", "/tmp/", "/dev/fd/", "/nix/store/")  # noqa: S108 - of the command
_DEVICES = _words("/dev/null /dev/zero /dev/stdin /dev/stdout /dev/stderr /dev/tty /dev/urandom /dev/random /tmp")
_RECURSIVE = re.compile(r"-[A-Za-z]*[rR]|--recursive$")


def ruin(call: Call) -> str:
    """Why nobody may run it, whatever is allowed: it destroys a machine, a home or the workspace as a whole."""
    name = call.program
    if name in _RUINOUS or name.startswith("mkfs."):
        return f"`{name}` is for machines, not for a workspace"
    if name == "dd" and any(re.match(r"of=/dev/(?!null|zero|stdout)", word.text) for word in call.arguments):
        return "it writes over a device"
    if any(re.match(r"/dev/(?:sd|nvme|hd|vd|disk|mem)", each.target.text) for each in call.redirections):
        return "it writes over a device"
    is_recursive = any(_RECURSIVE.match(word.text) for word in call.arguments)
    if name in ("rm", "chmod", "chown", "shred", "chattr") and is_recursive:
        for word in call.arguments:
            if not word.text.startswith("-") and _is_everything(word.text):
                return f"`{name}` of {word.text} with all that is in it"
    return ""


def _is_everything(path: str) -> bool:
    clean = re.sub(r"(?:/\*+|/\.?)+$", "", path) or "/"
    if clean in ("~", "$HOME", "${HOME}", '"$HOME"') or re.fullmatch(r"~\w+", clean):
        return True
    normal = normpath(clean)
    return bool(re.fullmatch(r"(?:\.\./?)+", normal)) or bool(
        re.fullmatch(r"/+[^/]*", normal) and normal not in _DEVICES
    )


def worry(call: Call, roots: Sequence[str]) -> str:
    """Why a person should be asked although the command runs in the sandbox; empty when there is no reason."""
    if call.words and not call.program:
        return "what runs is known only when it runs"
    name = call.program
    for reason in (_of_name(name), _of_variables(call), _of_publishing(call), _of_database(call), _of_git(call)):
        if reason:
            return reason
    if name in ("source", ".") and not (call.arguments and call.arguments[0].is_certain):
        return f"what `{name}` reads in is known only when it runs"
    is_recursive = name == "rm" and any(_RECURSIVE.match(word.text) for word in call.arguments)
    if is_recursive and not call.is_certain:
        return "what `rm -r` deletes is known only when it runs"
    targets = [each.target for each in call.redirections]
    # Where a folder is changed to is a guard of its own.
    words = call.words[:1] if name in ("cd", "pushd") else call.words
    return next((reason for word in (*words, *targets) if (reason := _of_path(word, roots))), "")


def _of_name(name: str) -> str:
    if name in _PRIVILEGED:
        return f"`{name}` asks for other rights"
    if name in _MACHINE:
        return f"`{name}` works on the machine or on services, not on the workspace"
    if name in _NETWORK:
        return f"`{name}` reaches over the network"
    if name in _LATER:
        return f"what `{name}` changes is not followed"
    return ""


def _of_variables(call: Call) -> str:
    named = [name for name, _ in call.assignments]
    if call.program in _SETTERS:
        named += [word.text.partition("=")[0] for word in call.arguments]
    steering = next((name for name in named if _STEERING.fullmatch(name.partition("[")[0])), None)
    return f"it sets {steering}, which decides what programs do" if steering else ""


def _of_publishing(call: Call) -> str:
    verbs = _PUBLISHES.get(call.program)
    if verbs is None:
        return ""
    words = git_words(call)[1:] if call.program == "git" else [word.text for word in call.arguments]
    said = next((word for word in words if not word.startswith("-")), "")
    return f"`{call.program} {said}` reaches beyond this machine" if said in verbs else ""


def _of_database(call: Call) -> str:
    texts = [word.text for word in call.arguments] + ([call.given.text] if call.given is not None else [])
    if call.program in _DATABASES and any(_DROPS.search(text) for text in texts):
        return "it deletes data of a database"
    named = {call.program, *(text.rpartition("/")[2] for text in texts[:2])}
    resets = any(name in named and pattern.search(" ".join(texts)) for name, pattern in _RESETS.items())
    return "it deletes data of a database" if resets else ""


def git_words(call: Call) -> list[str]:
    """`git push` for `git -C elsewhere -c a=b push`."""
    rest = [word.text for word in call.arguments]
    while rest and rest[0].startswith("-"):
        rest = rest[2:] if rest[0] in _GIT_VALUES else rest[1:]
    return ["git", *rest]


def _of_git(call: Call) -> str:
    if call.program != "git":
        return ""
    texts = [word.text for word in call.arguments]
    for at, text in enumerate(texts):
        if not text.startswith("-"):
            break
        value = texts[at + 1] if text == "-c" and at + 1 < len(texts) else text[2:] if text.startswith("-c") else ""
        if value and not _GIT_HARMLESS_KEYS.match(value):
            return f"it sets {value.partition('=')[0]} of git, which may run something"
        if re.match(r"--(?:exec-path=|config-env|git-dir|work-tree)", text):
            return f"{text.partition('=')[0]} makes git read another configuration"
    said = git_words(call)[1:]
    verb = said[0] if said else ""
    if verb in _GIT_STEERING or (verb == "remote" and said[1:2] and said[1] in ("add", "set-url", "remove", "rename")):
        return f"`git {verb}` changes more than files"
    if verb == "config" and not _is_plain_config(said[1:]):
        return "it changes the configuration of git, which may run something"
    runs = ("--exec", "-x", "--upload-pack", "--receive-pack", "--ext-diff", "--open-files-in-pager", "--textconv")
    if any(text.startswith(run) for text in said[1:] for run in runs) and verb not in ("clean", "fetch", "log", "show"):
        return f"`git {verb}` is told to run something"
    if (verb, said[1:2]) in (("bisect", ["run"]), ("submodule", ["foreach"])):
        return f"`git {verb} {said[1]}` runs something"
    if any(text.startswith("ext::") for text in said):
        return "a remote with `ext::` runs a command"
    return ""


def _is_plain_config(arguments: Sequence[str]) -> bool:
    options = [text for text in arguments if text.startswith("-")]
    names = [text for text in arguments if not text.startswith("-")]
    is_reading = set(options) & {"--get", "--get-all", "--list", "-l", "--get-regexp"} or names[:1] in (
        ["get"],
        ["list"],
    )
    return bool(is_reading) or (bool(names) and bool(_GIT_HARMLESS_KEYS.match(names[0])) and "--global" not in options)


def _of_path(word: Word, roots: Sequence[str]) -> str:
    for path in _paths_in(word.text):
        if re.match(r"~|\$\{?(?:HOME|OLDPWD)\b", path) or _SECRET.search(path):
            return f"{word.text} is in somebody's home"
        if any(step.casefold() in (".git", ".equitr") for step in path.split("/")):
            return f"{word.text} belongs to git or to EQUITR Coder"
        if path.startswith("/"):
            clean = normpath(path)
            is_known = clean in _DEVICES or clean.startswith(_READABLE)
            if not is_known and not any(clean == root or clean.startswith(f"{root.rstrip('/')}/") for root in roots):
                return f"{word.text} is outside the workspace"
        elif normpath(path).startswith("../") or normpath(path) == "..":
            return f"{word.text} is outside the workspace"
    return ""


def _paths_in(text: str) -> Iterator[str]:
    """The word itself, and what stands after `=`, after `-I`, and between colons."""
    yield text
    if "=" in text:
        yield text.partition("=")[2]
    if found := re.match(r"-[A-Za-z](.+)", text):
        yield found[1]
    if text.startswith("@"):
        yield text[1:]


_OVERWRITES = _words("mv cp install ln tee truncate shred dd rsync")
_GIT_DESTROYS: Mapping[str, frozenset[str]] = {
    "reset": frozenset({"--hard", "--merge", "--keep"}),
    "clean": frozenset(),
    "checkout": frozenset(),
    "restore": frozenset(),
    "switch": frozenset({"-f", "--force", "--discard-changes", "-C"}),
    "stash": frozenset(),
    "rm": frozenset(),
    "rebase": frozenset(),
    "filter-branch": frozenset(),
    "checkout-index": frozenset(),
    "read-tree": frozenset(),
    "merge": frozenset({"--abort"}),
    "am": frozenset({"--abort"}),
    "worktree": frozenset({"remove"}),
}
"""Verb -> what makes it destructive; empty when it always may be."""
_BUILD_OUTPUTS = re.compile(
    r"(?:^|/)(?:build|dist|out|target|coverage|\.cache|tmp|logs?)/|\.(?:log|tmp|out)$|^/tmp/|^/dev/"
)


def destruction(command: str) -> str:
    """Why the files should be kept before the line runs; empty when nothing in it is known to delete or overwrite."""
    line = read_line(command)
    return line.problem or next((why for call in line.calls if (why := destroys(call))), "")


def destroys(call: Call) -> str:
    """What of it may delete or overwrite files; empty when nothing is known to."""
    name = call.program
    texts = [word.text for word in call.arguments]
    if name in ("rm", "rmdir", "unlink", "shred", "truncate") or (name == "find" and "-delete" in texts):
        return f"`{name}` deletes"
    if name in _OVERWRITES and len(texts) > 1:
        return f"`{name}` may overwrite"
    if name in ("sed", "perl", "ruby") and any(re.match(r"-[a-zA-Z]*i|--in-place", text) for text in texts):
        return f"`{name} -i` overwrites"
    if name == "git":
        verb, *rest = (*git_words(call)[1:], "")
        needs = _GIT_DESTROYS.get(verb)
        if needs is not None and (not needs or needs & set(rest)):
            return f"`git {verb}` may throw changes away"
    if reason := _of_database(call) or _of_publishing(call):
        return reason
    for each in call.redirections:
        is_over = each.writes and ">>" not in each.operator
        if is_over and not (each.target.is_certain and _BUILD_OUTPUTS.search(each.target.text)):
            return f"`{each.operator}` may overwrite {each.target.text}"
    return ""
