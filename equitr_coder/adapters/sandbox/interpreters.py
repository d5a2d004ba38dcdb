"""Which `python3` a command gets, and how its imports could lead back to the user's checkout."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from equitr_coder.adapters.sandbox.editable import detours, site_packages
from equitr_coder.adapters.sandbox.mounts import is_inside
from equitr_coder.domain.frozen import frozen
from equitr_coder.ports import Place

PRINT_EXECUTABLE = "python3 -c 'import sys; print(sys.executable)'"

_PIN_FILES = (".python-version", ".tool-versions", "mise.toml", ".mise.toml")
_DESCRIBE = """
import sys
# Nothing is imported from the folder it starts in, where anybody's json.py may lie.
sys.path[:] = [entry for entry in sys.path if entry.startswith("/")]
import json, site
sites = [*site.getsitepackages(), site.getusersitepackages()]
print(json.dumps({"executable": sys.executable, "prefix": sys.prefix, "path": sys.path, "sites": sites}))
"""
_DESCRIBE_SECONDS = 20
_MAX_TREE = 50_000


@frozen
class Interpreter:
    executable: str
    prefix: str
    path: tuple[str, ...]
    """Its `sys.path`, where `.pth` lines have already been followed."""
    sites: tuple[str, ...]


def interpreter_facts(root: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """What decides which `python3` a command at `root` gets; cheap, and equal as long as the answer is."""
    found = find_program("python3", root=root, path=environ.get("PATH", "")) or ""
    pins = [environ.get("PYENV_VERSION", "")]
    pyenv = environ.get("PYENV_ROOT")
    for pin in [*(root / name for name in _PIN_FILES), *([Path(pyenv) / "version"] if pyenv else [])]:
        try:
            pins.append(pin.read_text(encoding="utf-8", errors="surrogateescape"))
        except OSError:
            pins.append("")
    return (found, os.path.realpath(found) if found else "", *pins)


def find_program(name: str, *, root: Path, path: str) -> str | None:
    """Like a shell at `root` would: relative entries of PATH count from there."""
    entries = [str(root / entry) for entry in path.split(os.pathsep)]
    return shutil.which(name, path=os.pathsep.join(entries))


def describe_interpreter(root: Path, environ: Mapping[str, str]) -> Interpreter | None:
    """Ask the `python3` itself; None when there is none that answers. Blocks for its start."""
    program = find_program("python3", root=root, path=environ.get("PATH", ""))
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, "-c", _DESCRIBE],
            cwd=root,
            env=_without_relative_imports(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_DESCRIBE_SECONDS,
            check=True,
        )
        described = json.loads(answer.stdout)
        return Interpreter(
            executable=described["executable"],
            prefix=described["prefix"],
            path=tuple(described["path"]),
            sites=tuple(described["sites"]),
        )
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None


def _without_relative_imports(environ: Mapping[str, str]) -> dict[str, str]:
    """Python itself imports `sitecustomize` from PYTHONPATH before it runs anything."""
    named = [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry.startswith("/")]
    kept = {name: value for name, value in environ.items() if name != "PYTHONPATH"}
    return kept | ({"PYTHONPATH": os.pathsep.join(named)} if named else {})


def ways_back(place: Place, interpreter: Interpreter | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Each way, in words, in which code could come from the checkout that `place` stands for."""
    root, checkout = os.path.realpath(place.root), os.path.realpath(place.stands_for or place.root)

    def leads_back(target: str) -> bool:
        real = os.path.realpath(target)
        return is_inside(real, checkout) and not is_inside(real, root)

    named = [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry.startswith("/")]
    yield from (f"PYTHONPATH names {entry}" for entry in named if leads_back(entry))
    sites = [site for folder in place.links.values() for site in site_packages(folder)]
    sites += [Path(site) for site in interpreter.sites] if interpreter is not None else []
    followed = set(named)
    for site in sites:
        for detour in detours(site):
            target = str(detour.target)
            if target not in followed and leads_back(target) and not is_inside(target, str(site)):
                followed.add(target)
                yield f"{detour.via} leads to {target}"
    if interpreter is not None:
        for entry in interpreter.path:
            if entry not in followed and leads_back(entry) and not is_inside(entry, interpreter.prefix):
                yield f"{interpreter.executable} imports from {entry}"
    for link in _links_below(Path(root)):
        relative = str(link.relative_to(root))
        if relative not in place.links and leads_back(str(link)):
            yield f"the link {relative} leads to {os.path.realpath(link)}"


def _links_below(root: Path) -> Iterator[Path]:
    seen = 0
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in (".git", "node_modules")]
        for name in (*folders, *files):
            seen += 1
            if seen > _MAX_TREE:
                return
            path = Path(folder) / name
            if path.is_symlink():
                yield path
