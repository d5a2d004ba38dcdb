"""Which files of a tree prove something when a check runs: tests, what stands beside them, scripts, what steers them.

Pure: given the paths of a tree and the texts that were asked for. `find` says which texts it would still need; whoever
can read the tree asks again with them.
"""

import json
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import field, replace
from fnmatch import fnmatchcase, translate
from functools import cached_property
from itertools import pairwise
from posixpath import basename, dirname, join, normpath

from equitr_coder.domain.check_command import Part, Runner, parts
from equitr_coder.domain.frozen import frozen

_TEST_FOLDERS = frozenset({"test", "tests", "spec", "specs", "__tests__", "testing", "t", "e2e", "testdata"})
_TEST_NAMES = (
    "test_*.py", "*_test.py", "tests.py", "test.py", "*_test.go", "*.test.*", "*.spec.*", "*-test.*js", "*_test.*js",
    "test-*.*js", "test.js", "test.mjs", "test.cjs", "test.ts", "*_spec.rb", "*_test.rb", "*Test.php", "*Test.java",
    "*Tests.java", "Test*.java", "*Test.kt", "*.t", "*.bats", "*_test.rs", "*_test.sh", "test_*.sh", "*Tests.cs",
)  # fmt: skip
_TEST_NAME = re.compile("|".join(translate(pattern) for pattern in _TEST_NAMES))
_CODE = (".py", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".rb", ".php", ".java", ".kt", ".rs", ".go", ".sh", ".t")
_JAVASCRIPT = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".jsx")
_ENDINGS: Mapping[str, tuple[str, ...]] = {
    "python": (".py",), "javascript": _JAVASCRIPT, "go": (".go",), "cargo": (".rs",), "rspec": (".rb",),
    "phpunit": (".php",), "prove": (".t",), "maven": (".java", ".kt", ".scala"), "gradle": (".java", ".kt", ".groovy"),
}  # fmt: skip
_READERS = frozenset(
    {
        "grep",
        "egrep",
        "fgrep",
        "rg",
        "cat",
        "test",
        "[",
        "ls",
        "head",
        "tail",
        "wc",
        "sed",
        "awk",
        "find",
        "git",
        "echo",
    }
    | {"printf", "cut", "sort", "uniq", "tr", "xargs", "mkdir", "cp", "mv", "rm", "touch", "chmod", "stat", "jq", "cmp"}
    | {"diff", "tee", "true", "false", "export", "set", "unset", "exit", "pip", "pip3", "file"}
)
"""Programs whose arguments are read, not run."""
_PYTHON_STEERING = (
    "conftest.py",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    "sitecustomize.py",
    "usercustomize.py",
    ".python-version",
    ".tool-versions",
    "mise.toml",
    ".mise.toml",
)
_RUNNER_NAMES = """
    unittest pytest _pytest pluggy iniconfig packaging py runpy site importlib argparse traceback warnings inspect
    signal types functools collections contextlib difflib pprint enum abc asyncio logging weakref fnmatch
    linecache dataclasses pathlib shutil tempfile json re io os sys glob platform textwrap tokenize token ast dis
    string copy operator keyword struct doctest threading queue random math datetime bisect heapq itertools stat
    posixpath locale gettext subprocess faulthandler atexit code codeop pdb cmd typing tomllib configparser xml
    unittest2 nose coverage
"""
_RUNNER_MODULES = frozenset(_RUNNER_NAMES.split())
"""Modules that a Python runner loads before the tests: one of that name beside the tests would be loaded instead."""
_JAVASCRIPT_STEERING = (
    "jest.config.*", "vitest.config.*", "vitest.workspace.*", "vite.config.*", ".mocharc*", "babel.config.*",
    ".babelrc*",
    ".npmrc", ".yarnrc*", "bunfig.toml", "ava.config.*", "karma.conf.*", ".nvmrc", ".node-version",
)  # fmt: skip
_OTHER_STEERING = {
    Runner.GO: ("go.work",),
    Runner.CARGO: (".cargo/config", ".cargo/config.toml"),
    Runner.RSPEC: (".rspec",),
    Runner.PHPUNIT: ("phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml"),
    Runner.MAVEN: (".mvn/maven.config", ".mvn/jvm.config"),
    Runner.GRADLE: ("init.gradle", "gradle.properties"),
    Runner.PROVE: (".proverc",),
}
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_BROUGHT = frozenset({"node_modules", "site-packages", ".venv", "venv"})
_BRINGING = frozenset({"python", "javascript"})
_FILE_IN_SCRIPT = re.compile(
    r"""(?:^|[\s"'=(])((?:\./)?[\w@.][\w@./+-]*\.(?:sh|bash|py|js|mjs|cjs|ts|mk|rb|pl|php))\b"""
)
_RULE = re.compile(r"^(?![\t#])([^\s:=#][^:=#]*?)\s*::?(?!=)(.*)$")
_INCLUDE = re.compile(r"^-?s?include\s+(.+)$", re.MULTILINE)
_VARIABLE = re.compile(r"^(?:export )?(\w+) *[:?]?= *(.*)$", re.MULTILINE)
_REFERENCE = re.compile(r"\$[({](\w+)[)}]")
_ROUNDS_OF_SCRIPTS = 60


@frozen
class Steering:
    """From where, and with what, the runners of a check can be steered."""

    folders: frozenset[str] = frozenset({""})
    """Where it runs, the folders of its tests and scripts, and all above them."""
    entries: frozenset[str] = frozenset({""})
    """Folders from which Python imports before it looks anywhere else."""
    roots: frozenset[str] = frozenset()
    """Topmost folders of tests."""
    languages: frozenset[str] = frozenset()
    runners: frozenset[Runner] = frozenset()

    def steers(self, path: str) -> bool:
        """Whether a file at `path`, were it there, would change what the runner does."""
        # Asked of every file of a tree: splitting once and refusing early is most of what it costs.
        folder, _, name = path.rpartition("/")
        if folder in self.folders and self._is_named(name) is not None:
            return True
        return self._is_brought(path) or self._is_shadow(path, name) or self._is_package_mark(path, name)

    def plain_paths(self) -> tuple[str, ...]:
        """The commonest of them, for whoever has to name them beforehand."""
        names = [name for name in self._names if "*" not in name]
        shadows = ["unittest.py", "pytest.py"] if "python" in self.languages else []
        return tuple(
            sorted(
                {_in(folder, name) for folder in self.folders for name in names}
                | {_in(folder, name) for folder in self.entries for name in shadows}
            )
        )

    @cached_property
    def _deepest(self) -> int:
        return max(folder.count("/") + 1 if folder else 0 for folder in self.entries)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        names: tuple[str, ...] = ()
        if "python" in self.languages:
            names += _PYTHON_STEERING
        if "javascript" in self.languages:
            names += _JAVASCRIPT_STEERING
        if "make" in self.languages:
            names += ("GNUmakefile", "makefile")
        return names + tuple(name for runner in sorted(self.runners) for name in _OTHER_STEERING.get(runner, ()))

    @cached_property
    def _is_named(self) -> Callable[[str], re.Match[str] | None]:
        """Matches a name against all of `_names` at once."""
        return re.compile("|".join(translate(pattern) for pattern in self._names) or r"(?!)").match

    def _is_brought(self, path: str) -> bool:
        return not self.languages.isdisjoint(_BRINGING) and _is_brought(path)

    def _is_shadow(self, path: str, name: str) -> bool:
        if "python" not in self.languages or not path.endswith((".py", ".so", ".pyc")):
            return False
        if name != "__init__.py" and name.partition(".")[0] not in _RUNNER_MODULES:
            return False
        if path.count("/") > self._deepest + 1:
            return False
        for folder in self.entries:
            inside = path.removeprefix(f"{folder}/") if folder else path
            steps = inside.split("/")
            module = steps[0].split(".")[0]
            if (
                (not folder or inside != path)
                and module in _RUNNER_MODULES
                and (len(steps) == 1 or steps[1:] == ["__init__.py"])
            ):
                return True
        return False

    def _is_package_mark(self, path: str, name: str) -> bool:
        is_mark = name == "__init__.py" and "python" in self.languages
        return is_mark and any(path.startswith(f"{root}/") for root in self.roots)


@frozen
class ProofFiles:
    """What a check rests on in one tree."""

    tests: frozenset[str] = frozenset()
    """Test files that it names or finds."""
    beside: frozenset[str] = frozenset()
    """Helpers, data and snapshots in the folders of those tests."""
    scripts: frozenset[str] = frozenset()
    """Files that are run: `check.sh`, what it sources, an included makefile."""
    settings: frozenset[str] = frozenset()
    """Files that are there and change what the runner does."""
    partly: frozenset[str] = frozenset()
    """Files of which only some sections count (`edited_sections`)."""
    steering: Steering = field(default_factory=Steering)
    wanted: frozenset[str] = frozenset()
    """Texts that `find` would need to follow further."""

    @property
    def whole(self) -> frozenset[str]:
        return self.tests | self.beside | self.scripts | self.settings

    @property
    def has_proof(self) -> bool:
        """Something in the tree itself proves: there is more than a command."""
        return bool(self.tests or self.scripts)


@frozen
class _Tree:
    paths: frozenset[str]
    texts: Mapping[str, str]


@frozen
class _Found:
    """Grows while the parts of a check are followed."""

    tests: set[str] = field(default_factory=set)
    scripts: set[str] = field(default_factory=set)
    partly: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    runners: set[Runner] = field(default_factory=set)
    languages: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)


def find(commands: Iterable[str], paths: Collection[str], texts: Mapping[str, str]) -> ProofFiles:
    tree = _Tree(frozenset(paths), texts)
    found = _Found()
    queue = [(part, 0) for command in commands for part in parts(command)]
    for _ in range(_ROUNDS_OF_SCRIPTS):
        if not queue:
            break
        part, depth = queue.pop(0)
        if depth <= 5:
            queue += [(inner, depth + 1) for inner in _follow(part, tree, found)]
    return _closed(tree, found)


def is_test_file(path: str) -> bool:
    name = basename(path)
    if _has_test_name(path):
        return True
    in_folder = any(part in _TEST_FOLDERS for part in dirname(path).split("/"))
    return in_folder and name.endswith(_CODE) and name not in ("__init__.py", "conftest.py")


def section(path: str, text: str) -> Mapping[str, str]:
    """The parts of a file that steer tests, each under a name; a text that cannot be read is one part."""
    try:
        match basename(path):
            case "pyproject.toml":
                tool = tomllib.loads(text).get("tool", {})
                return {f"tool.{name}": json.dumps(tool[name], sort_keys=True, default=str)
                        for name in tool if name.startswith("pytest")}  # fmt: skip
            case "package.json":
                return _package_sections(text)
            case "setup.cfg" | "tox.ini":
                return _ini_sections(text)
            case "Cargo.toml":
                read = tomllib.loads(text)
                kept: dict[str, object] = {name: read[name] for name in ("lib", "test", "profile") if name in read}
                kept["autotests"] = read.get("package", {}).get("autotests", True)
                return {name: json.dumps(value, sort_keys=True, default=str) for name, value in kept.items()}
            case _:
                return _make_rules(text)
    except (ValueError, ConfigError, AttributeError, TypeError):
        return {"": text}


def _has_test_name(path: str) -> bool:
    return _TEST_NAME.match(basename(path)) is not None


def edited_sections(path: str, before: str | None, after: str | None, *, may_set: bool) -> tuple[str, ...]:
    """Names of sections that are other than they were. Further scripts and rules may be added; settings with `may_set`
    alone.
    """
    old = section(path, before) if before is not None else {}
    new = section(path, after) if after is not None else {}
    changed = [name for name in old if new.get(name) != old[name]]
    added = [name for name in new if name not in old and not may_set and _is_setting(path, name, old)]
    return tuple(changed + added)


def _is_setting(path: str, name: str, old: Mapping[str, str]) -> bool:
    if basename(path) == "package.json" and name.startswith("scripts."):
        script = name.removeprefix("scripts.")
        return any(script == f"{when}{other.removeprefix('scripts.')}" for when in ("pre", "post") for other in old)
    return not _is_makefile(path) or name == ""


def _package_sections(text: str) -> Mapping[str, str]:
    read = json.loads(text)
    kept = {f"scripts.{name}": value for name, value in read.get("scripts", {}).items()}
    kept |= {name: read[name] for name in ("jest", "mocha", "vitest", "ava", "babel", "c8", "nyc") if name in read}
    return {name: json.dumps(value, sort_keys=True) for name, value in kept.items()}


def _ini_sections(text: str) -> Mapping[str, str]:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    names = [name for name in parser.sections() if name in ("pytest", "tool:pytest") or name.startswith("testenv")]
    return {name: json.dumps(dict(parser[name]), sort_keys=True) for name in names}


def _make_rules(text: str) -> Mapping[str, str]:
    """Target -> its prerequisites and recipe; under an empty name the variables and directives."""
    rules: dict[str, list[str]] = {}
    current: tuple[str, ...] = ()
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("\t"):
            for target in current:
                rules[target].append(line.strip())
        elif not line.strip() or line.lstrip().startswith("#"):
            continue
        elif found := _RULE.match(line):
            current = tuple(found[1].split())
            for target in current:
                rules.setdefault(target, []).append(found[2].strip())
        else:
            current = ()
            rules.setdefault("", []).append(line.strip())
    return {target: "\n".join(lines) for target, lines in rules.items() if not target.startswith(".PHONY")}


def _follow(part: Part, tree: _Tree, found: _Found) -> Iterator[Part]:
    if part.runner is not None:
        found.runners.add(part.runner)
        found.languages.add(part.runner.language)
        found.tests.update(_tests_of(part, tree))
        found.folders.add(part.folder)
    elif part.makes is not None:
        yield from _of_make(part, tree, found)
    elif part.package_script:
        yield from _of_package(part, tree, found)
    elif part.script:
        yield from _of_script(_in(part.folder, part.script), part, tree, found)
    elif part.program == "tox":
        found.partly.update(
            path for name in ("tox.ini", "pyproject.toml") if (path := _in(part.folder, name)) in tree.paths
        )
    is_other = part.runner is None and part.makes is None and not part.package_script
    if is_other and part.program not in _READERS:
        # Any other program: the tests among its words are what it proves with.
        named = [path for word in part.arguments for path in _paths_of(word, part.folder, tree)]
        found.tests.update(path for path in named if is_test_file(path))


def _of_make(part: Part, tree: _Tree, found: _Found) -> Iterator[Part]:
    makefile = next((path for name in _MAKEFILES if (path := _in(part.folder, name)) in tree.paths), None)
    found.languages.add("make")
    found.folders.add(part.folder)
    if makefile is None:
        return
    found.partly.add(makefile)
    text = tree.texts.get(makefile)
    if text is None:
        found.wanted.add(makefile)
        return
    for line in _INCLUDE.findall(text):
        found.scripts.update(path for word in line.split() for path in _paths_of(word, part.folder, tree))
    rules = _make_rules(text)
    variables = {"MAKE": "make"} | dict(_VARIABLE.findall(rules.get("", "")))
    for recipe in _reached(rules, part.makes or ()):
        plain = _REFERENCE.sub(lambda found: variables.get(found[1], "").strip(), recipe.lstrip("@-+"))
        yield from _moved(parts(plain), part.folder)


def _reached(rules: Mapping[str, str], targets: tuple[str, ...]) -> Iterator[str]:
    """The recipe lines of the targets and of what they need."""
    queue = list(targets) or [name for name in rules if name and not name.startswith(".")][:1]
    seen: set[str] = set()
    while queue:
        target = queue.pop()
        if target in seen or target not in rules:
            continue
        seen.add(target)
        needs, *recipe = rules[target].split("\n")
        yield from recipe
        queue += needs.replace("|", " ").split()


def _of_package(part: Part, tree: _Tree, found: _Found) -> Iterator[Part]:
    path = _in(part.folder, "package.json")
    found.languages.add("javascript")
    found.folders.add(part.folder)
    if path not in tree.paths:
        return
    found.partly.add(path)
    text = tree.texts.get(path)
    if text is None:
        found.wanted.add(path)
        return
    try:
        scripts = json.loads(text).get("scripts", {})
    except (ValueError, AttributeError):
        return
    for name in (f"pre{part.package_script}", part.package_script, f"post{part.package_script}"):
        if isinstance(scripts.get(name), str):
            yield from _moved(parts(scripts[name]), part.folder)


def _of_script(path: str, part: Part, tree: _Tree, found: _Found) -> Iterator[Part]:
    found.folders.add(part.folder)
    if path.endswith(".py"):
        found.languages.add("python")
    if path.endswith((".js", ".mjs", ".cjs")):
        found.languages.add("javascript")
    if path not in tree.paths:
        return
    found.scripts.add(path)
    text = tree.texts.get(path)
    if text is None:
        found.wanted.add(path)
        return
    if path.endswith((".py", ".js", ".mjs", ".cjs", ".rb", ".php")):
        return  # what it imports is the code under test as a rule
    named = {_in(part.folder, name) for name in _FILE_IN_SCRIPT.findall(text)}
    for line in text.replace("\\\n", " ").splitlines():
        if not line.lstrip().startswith("#"):
            yield from _moved(parts(line), part.folder)
    found.scripts.update(name for name in named & tree.paths if name.endswith((".sh", ".bash", ".mk")))


def _moved(found: Iterable[Part], folder: str) -> Iterator[Part]:
    for part in found:
        yield replace(part, folder=_in(folder, part.folder) if part.folder else folder)


# ---------------------------------------------------------------- which tests a runner finds


def _tests_of(part: Part, tree: _Tree) -> set[str]:
    words = [word for word in part.arguments if not word.startswith("-")]
    if part.runner is Runner.UNITTEST:
        return _unittest_tests(part, tree)
    named = [path for word in words for path in _paths_of(word.split("::")[0], part.folder, tree)]
    if not named and not any(_looks_like_path(word) for word in words):
        named = list(_below(part.folder, tree))
    endings = _ENDINGS.get(part.runner.language if part.runner else "", _CODE)
    is_test = _has_test_name if part.runner is Runner.PYTEST else is_test_file  # a folder's name tells it nothing
    tests = {path for path in named if path.endswith(endings) and is_test(path)}
    plainly = {path for word in words if (path := _in(part.folder, word.split("::")[0])) in tree.paths}
    return tests | {path for path in plainly if path.endswith(_CODE)}


def _looks_like_path(word: str) -> bool:
    return "/" in word or word.endswith(_CODE)


def _unittest_tests(part: Part, tree: _Tree) -> set[str]:
    words = list(part.arguments)
    tests: set[str] = set()
    names = [word for word in words if not word.startswith("-") and word != "discover"]
    start = next((after for word, after in pairwise(words) if word in ("-s", "--start-directory")), "")
    start = start or next((word.split("=", 1)[1] for word in words if word.startswith("--start-directory=")), "")
    values = {after for word, after in pairwise(words) if word in ("-p", "-t", "-s", "-k")}
    named = [word for word in names if word not in values]
    if "discover" in words or not named:
        folder = _in(part.folder, start or (named[0] if "discover" in words and named else ""))
        return {path for path in _below(folder, tree) if _has_test_name(path) and path.endswith(".py")}
    for word in named:
        if word.endswith(".py") or "/" in word:
            tests.update(path for path in _paths_of(word, part.folder, tree) if path.endswith(".py"))
            continue
        steps = word.split(".")
        for length in range(len(steps), 0, -1):
            stem = _in(part.folder, "/".join(steps[:length]))
            if f"{stem}.py" in tree.paths:
                tests.add(f"{stem}.py")
                break
            if f"{stem}/__init__.py" in tree.paths and length == len(steps):
                tests.update(path for path in _below(stem, tree) if _has_test_name(path))
                tests.add(f"{stem}/__init__.py")
                break
    return tests


def _paths_of(word: str, folder: str, tree: _Tree) -> Iterator[str]:
    """A file, everything in a folder, or what a glob covers. `./pkg/...` is a folder to Go."""
    clean = _in(folder, word.removesuffix("...").split("?")[0] or ".")
    if clean in tree.paths:
        yield clean
    elif any(mark in clean for mark in "*["):
        yield from (path for path in tree.paths if fnmatchcase(path, clean))
    elif word.strip("./") or word in (".", "./", "./..."):
        yield from _below(clean, tree)


def _below(folder: str, tree: _Tree) -> Iterator[str]:
    yield from (path for path in tree.paths if not folder or path.startswith(f"{folder}/"))


# ---------------------------------------------------------------- what stands around them


def _closed(tree: _Tree, found: _Found) -> ProofFiles:
    roots = {root for path in found.tests if (root := _test_root(path))}
    tests = {path for path in found.tests if not _is_brought(path)}
    beside = {
        path
        for path in tree.paths
        if any(path.startswith(f"{root}/") for root in roots)
        and not _has_test_name(path)
        and not _is_brought(path)
        and path not in tests
    }
    folders = set(found.folders) | {""}
    for path in (*tests, *found.scripts):
        folders.update(_ancestors(path))
    steering = Steering(
        folders=frozenset(folders),
        entries=frozenset(found.folders | {""} | roots),
        roots=frozenset(roots),
        languages=frozenset(found.languages | {"python" for path in tests if path.endswith(".py")}),
        runners=frozenset(found.runners),
    )
    names = [name for language, files in _PARTLY.items() if language in steering.languages for name in files]
    return ProofFiles(
        tests=frozenset(tests),
        beside=frozenset(beside),
        scripts=frozenset(found.scripts),
        settings=frozenset(path for path in tree.paths if steering.steers(path) and not _is_brought(path)) - tests,
        partly=frozenset(
            found.partly | {path for folder in folders for name in names if (path := _in(folder, name)) in tree.paths}
        ),
        steering=steering,
        wanted=frozenset(found.wanted),
    )


_PARTLY: Mapping[str, tuple[str, ...]] = {
    "python": ("pyproject.toml", "setup.cfg", "tox.ini"),
    "javascript": ("package.json",),
    "cargo": ("Cargo.toml",),
    "make": _MAKEFILES,
}


def _is_makefile(path: str) -> bool:
    return basename(path) in _MAKEFILES


def _is_brought(path: str) -> bool:
    return not _BROUGHT.isdisjoint(path.split("/")[:-1])


def _test_root(path: str) -> str:
    """The topmost folder named for tests above the file; empty when it stands among other code."""
    steps = dirname(path).split("/") if dirname(path) else []
    for length in range(1, len(steps) + 1):
        if steps[length - 1] in _TEST_FOLDERS:
            return "/".join(steps[:length])
    return ""


def _ancestors(path: str) -> Iterator[str]:
    while path := dirname(path):
        yield path


def _in(folder: str, path: str) -> str:
    joined = normpath(join(folder, path))
    return "" if joined == "." else joined
