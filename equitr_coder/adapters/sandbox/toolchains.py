"""What programs on PATH need to work: their environment, base interpreter, toolchain and caches.

Paths only; what is hidden, and shown again, is decided by `sight`.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from equitr_coder.adapters.sandbox.editable import detours, site_packages
from equitr_coder.adapters.sandbox.mounts import is_inside
from equitr_coder.domain.frozen import frozen


@frozen
class Known:
    """A toolchain whose folder below HOME holds more than may be shown."""

    folder: str
    shown: tuple[str, ...] = ("",)
    """What of it is needed; "" is all of it."""
    variable: str = ""
    """Environment variable that names the folder."""
    programs: tuple[str, ...] = ()
    """Needed when one of these is on PATH, wherever it is installed."""


KNOWN = (
    Known(".pyenv", variable="PYENV_ROOT", programs=("pyenv",)),
    Known(".rbenv", variable="RBENV_ROOT", programs=("rbenv",)),
    Known(".cargo", ("bin", "registry", "git"), variable="CARGO_HOME", programs=("cargo",)),
    Known(".rustup", ("toolchains", "settings.toml"), variable="RUSTUP_HOME", programs=("cargo", "rustc")),
    Known("go", ("bin", "pkg"), variable="GOPATH", programs=("go",)),
    Known("go/pkg/mod", variable="GOMODCACHE", programs=("go",)),
    Known(".nvm", ("versions",), variable="NVM_DIR"),
    Known(".volta", ("bin", "tools"), variable="VOLTA_HOME", programs=("volta",)),
    Known(".asdf", variable="ASDF_DATA_DIR", programs=("asdf",)),
    Known(".tool-versions", programs=("asdf", "mise")),
    Known(".local/share/mise", variable="MISE_DATA_DIR", programs=("mise",)),
    Known(".local/share/uv", ("python", "tools"), programs=("uv",)),
    Known(".local/share/pipx", ("venvs", "shared"), programs=("pipx",)),
    Known(".rye", ("shims", "py", "tools", "self"), variable="RYE_HOME", programs=("rye",)),
    Known(".sdkman", ("candidates",), variable="SDKMAN_DIR"),
    Known(".m2", ("repository", "wrapper"), programs=("mvn",)),
    Known(".dotnet", variable="DOTNET_ROOT", programs=("dotnet",)),
    Known(".nuget/packages", variable="NUGET_PACKAGES", programs=("dotnet",)),
    Known(".gem/ruby", programs=("ruby",)),
    Known(".mix", ("archives", "elixir", "rebar", "rebar3"), variable="MIX_HOME", programs=("mix",)),
    Known(".ghcup", ("bin", "ghc", "lib", "share"), programs=("ghc",)),
    Known(".opam", variable="OPAMROOT", programs=("opam",)),
)

_ENVIRONMENT_VARIABLES = ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT")
_PREFIX_VARIABLES = ("JAVA_HOME", "GOROOT", "ANDROID_HOME", "DOTNET_ROOT", "GOMODCACHE", "NUGET_PACKAGES")
_IMPORT_VARIABLES = ("PYTHONPATH", "NODE_PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "PKG_CONFIG_PATH")

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt", "/nix", "/gnu", "/snap", "/etc")
_PROGRAM_FOLDERS = ("bin", "sbin", "shims", ".bin")
_PREFIX_SIGNS = ("lib", "lib64", "libexec", "share", "conda-meta", "pkg", "jre", "sdk")
_CREDENTIAL_NAMES = """
    credentials credentials.toml auth.json auth.toml .npmrc .pypirc .netrc .env pip.conf hex.config settings.xml
"""
_CREDENTIALS = tuple(_CREDENTIAL_NAMES.split())
_MAX_ENTRIES = 4_000
_MAX_LINKS = 20


@frozen
class Toolchains:
    roots: tuple[str, ...]
    """Environments and toolchains. Those inside the user's checkout belong to the machine, not to the tree."""
    imports: tuple[str, ...]
    """Code that programs import from elsewhere. Inside the user's checkout it is what the tree stands for."""
    credentials: tuple[str, ...]
    """Files below `roots` that must stay hidden."""
    variables: Mapping[str, str]
    """Where toolchains are, for those found through HOME by default."""


def find_toolchains(environ: Mapping[str, str], *, home: Path) -> Toolchains:
    """Look at every folder on PATH once: some hundred stats and reads of links."""
    search = _Search(environ, home)
    for folder in environ.get("PATH", "").split(os.pathsep):
        if folder.startswith("/"):
            search.add_folder(folder)
    search.add_known()
    search.add_variables()
    search.add_user_site()
    return search.result()


def is_environment(folder: Path) -> bool:
    """A virtual or conda environment."""
    return (folder / "pyvenv.cfg").is_file() or (folder / "conda-meta").is_dir()


def base_folder(environment: Path) -> str | None:
    """The folder of the interpreter a virtual environment was made with."""
    try:
        lines = (environment / "pyvenv.cfg").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition("=")
        if name.strip() == "home":
            return value.strip()
    return None


class _Search:
    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        self._environ = environ
        self._home = home
        self._folders: set[str] = set()
        self._roots: dict[str, None] = {}
        self._imports: dict[str, None] = {}
        self._variables: dict[str, str] = {}

    def result(self) -> Toolchains:
        roots = tuple(self._roots)
        masked = (f"{root}/{name}" for root in roots for name in _CREDENTIALS)
        return Toolchains(
            roots=roots,
            imports=tuple(self._imports),
            credentials=tuple(path for path in masked if Path(path).is_file()),
            variables=self._variables,
        )

    def add_folder(self, folder: str) -> None:
        """A folder with programs."""
        folder = os.path.normpath(folder)
        if folder in self._folders:
            return
        self._folders.add(folder)
        if _is_system(folder):
            if is_inside(folder, "/usr/local") or is_inside(folder, "/opt"):
                self._add_linked(folder, reads_scripts=False)
            return
        real = os.path.realpath(folder)
        if real != folder:
            self.add_folder(real)
        if not self._add_known_around(folder):
            parent = Path(folder).parent
            if is_environment(parent):
                self._add_environment(parent)
            elif Path(folder).name in _PROGRAM_FOLDERS and self._is_prefix(parent):
                self._roots[str(parent)] = None
                self._add_imports(parent)
        self._roots[folder] = None
        self._add_linked(folder, reads_scripts=True)

    def add_known(self) -> None:
        for known in KNOWN:
            if any(shutil.which(name, path=self._environ.get("PATH", "")) for name in known.programs):
                self._add_shown(known)

    def add_variables(self) -> None:
        for name in _ENVIRONMENT_VARIABLES:
            value = self._environ.get(name, "")
            if value.startswith("/"):
                self._add_environment(Path(value))
        for name in _PREFIX_VARIABLES:
            value = self._environ.get(name, "")
            if value.startswith("/") and Path(value).is_dir():
                self._roots[value] = None
        for name in _IMPORT_VARIABLES:
            for entry in self._environ.get(name, "").split(os.pathsep):
                if entry.startswith("/"):
                    self._imports[os.path.normpath(entry)] = None

    def add_user_site(self) -> None:
        """`pip install --user`: stays importable though HOME is private."""
        base = Path(self._environ.get("PYTHONUSERBASE") or self._home / ".local")
        sites = site_packages(base)
        for site in sites:
            self._roots[str(site.parent)] = None
        if sites:
            self._variables["PYTHONUSERBASE"] = str(base)
            self._add_imports(base)

    def _add_known_around(self, folder: str) -> bool:
        around = False
        for known in KNOWN:
            for place in dict.fromkeys((self._place_of(known), *_elsewhere(known, folder))):
                if is_inside(folder, str(place)):
                    self._add_shown(known, place)
                    around = True
        return around

    def _place_of(self, known: Known) -> Path:
        named = self._environ.get(known.variable, "") if known.variable else ""
        return Path(named) if named.startswith("/") else self._home / known.folder

    def _add_shown(self, known: Known, place: Path | None = None) -> None:
        place = place or self._place_of(known)
        if not place.exists():
            return
        if known.variable:
            self._variables.setdefault(known.variable, str(place))  # what comes first on PATH wins
        for part in known.shown:
            path = place / part
            if path.exists() and str(path) not in self._roots:
                self._roots[str(path)] = None
        if known.folder == ".pyenv":
            for version in place.glob("versions/*"):
                self._add_imports(version)

    def _add_environment(self, environment: Path) -> None:
        if str(environment) in self._roots:
            return
        self._roots[str(environment)] = None
        self._add_imports(environment)
        base = base_folder(environment)
        if base is not None and base.startswith("/"):
            self.add_folder(base)
        self.add_folder(str(environment / "bin"))

    def _add_imports(self, prefix: Path) -> None:
        for site in site_packages(prefix):
            for detour in detours(site):
                target = str(detour.target)
                if not _is_system(target) and not is_inside(target, str(prefix)):
                    self._imports[target] = None

    def _add_linked(self, folder: str, *, reads_scripts: bool) -> None:
        try:
            entries = list(os.scandir(folder))[:_MAX_ENTRIES]
        except OSError:
            return
        for entry in entries:
            if entry.is_symlink():
                self._follow(entry.path)
            elif reads_scripts and entry.is_file():  # a pipe would be waited for
                interpreter = _interpreter_of_script(entry.path)
                if interpreter is not None:
                    self._follow(interpreter)

    def _follow(self, program: str) -> None:
        """Add what holds each link of the chain that starts at `program`."""
        for _ in range(_MAX_LINKS):
            if _is_system(program) and not Path(program).is_symlink():
                return
            folder, name = os.path.split(program)
            if Path(folder).name in _PROGRAM_FOLDERS:
                self.add_folder(folder)
            elif name and not _is_system(program):
                self._roots[program] = None
            try:
                target = Path(program).readlink()
            except OSError:
                return
            program = os.path.normpath(Path(os.path.realpath(folder)) / target)

    def _is_prefix(self, folder: Path) -> bool:
        """An installation, rather than HOME, a shared folder like `~/.local`, or somebody's project."""
        shared = (self._home, self._home / ".local", self._home / ".config", self._home / ".cache")
        if is_inside(str(self._home), str(folder)) or folder in shared or (folder / ".git").exists():
            return False
        return folder.name == "node_modules" or any((folder / sign).is_dir() for sign in _PREFIX_SIGNS)


def _elsewhere(known: Known, folder: str) -> list[Path]:
    """The same toolchain below another home than HOME, known by the name of its own folder: `/root/.pyenv/shims`."""
    if "/" in known.folder or not known.folder.startswith("."):
        return []
    parts = Path(folder).parts
    return [Path(*parts[: parts.index(known.folder) + 1])] if known.folder in parts else []


def _is_system(path: str) -> bool:
    return any(is_inside(path, folder) for folder in _SYSTEM)


def _interpreter_of_script(path: str) -> str | None:
    try:
        with Path(path).open("rb") as script:
            first = script.readline(512)
    except OSError:
        return None
    words = first[2:].split() if first.startswith(b"#!/") else []
    interpreter = os.fsdecode(words[0]) if words else ""
    return interpreter if interpreter and not _is_system(interpreter) else None
