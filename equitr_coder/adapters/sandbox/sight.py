"""What a confined command sees: which folders are hidden, and what of them is shown again.

Answers with mounts and environments; runs nothing.
"""

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from equitr_coder.adapters.sandbox.environment import command_environment
from equitr_coder.adapters.sandbox.git_view import git_mounts
from equitr_coder.adapters.sandbox.mounts import Arrangement, Mount, arrange, expose, is_inside
from equitr_coder.adapters.sandbox.toolchains import Toolchains, find_toolchains, is_environment
from equitr_coder.domain.errors import UserError
from equitr_coder.ports import Place

TMP = "/tmp"  # noqa: S108 - inside the sandbox, where it is private
_SPARE_HOME = f"{TMP}/home"

_HIDDEN = ("/home", "/root", "/run", "/var/run", TMP, "/var/tmp")  # noqa: S108 - named in order to be hidden
_CREDENTIAL_NAMES = """
    .ssh .gnupg .aws .azure .docker .kube .netrc .npmrc .pypirc .pip .git-credentials .pgpass .my.cnf .vault-token
    .password-store .terraform.d .config/gcloud .config/gh .config/hub .config/pip .config/op .config/git/credentials
    .cargo/credentials .cargo/credentials.toml .gem/credentials .m2/settings.xml .gradle/gradle.properties
    .local/share/keyrings .composer/auth.json .config/composer/auth.json
"""
_CREDENTIALS = tuple(_CREDENTIAL_NAMES.split())
"""Below HOME; hidden as well where the workspace or a readable folder holds them."""


class Sight:
    """One per executor: the toolchains are looked up once, each place is arranged when it is used."""

    def __init__(self, *, environ: Mapping[str, str], equitr_home: Path, readable: Sequence[Path]) -> None:
        self._environ = environ
        self._home = os.path.realpath(environ.get("HOME") or Path.home())
        self._equitr_home = os.path.realpath(equitr_home)
        named = (path.expanduser() for path in readable)
        self._readable = [os.path.realpath(path) for path in named if path.exists()]
        folders = {os.path.realpath(folder) for folder in (*_HIDDEN, self._home) if Path(folder).is_dir()}
        self._hidden = tuple(sorted((folders | {self._equitr_home}) - {"/"}))
        self._toolchains: Toolchains | None = None
        self._shown_once: dict[tuple[str, ...], tuple[Mount, ...]] = {}
        self._linked: dict[Path, Toolchains] = {}

    @property
    def toolchains(self) -> Toolchains:
        if self._toolchains is None:
            self._toolchains = find_toolchains(self._environ, home=Path(self._home))
        return self._toolchains

    @property
    def hidden(self) -> tuple[str, ...]:
        """Folders that are out of sight but for what is shown again."""
        return self._hidden

    @property
    def readable(self) -> tuple[str, ...]:
        """Further paths that the user lets commands read."""
        return tuple(path for path in self._readable if path not in ("/", TMP))

    @property
    def credentials(self) -> tuple[str, ...]:
        """What is hidden wherever it lies."""
        return tuple(f"{self._home}/{name}" for name in _CREDENTIALS)

    async def look(self) -> None:
        """The first look at the toolchains takes some tens of milliseconds: not on the event loop."""
        if self._toolchains is None:
            await asyncio.to_thread(lambda: self.toolchains)

    def environment(self, place: Place, *, clean: bool) -> dict[str, str]:
        """Of commands in a place without links (`real`)."""
        home = self._home_inside(str(place.root), str(place.stands_for or place.root))
        return command_environment(self._environ, home=home, tmp=TMP, toolchains=self.toolchains.variables, clean=clean)

    def arrangement(self, place: Place, seen: Place) -> Arrangement:
        """The mounts for a place; `seen` is the same without links (`real`).

        Raises:
            UserError: the place cannot be confined.
        """
        root, checkout = str(seen.root), str(seen.stands_for or seen.root)
        if "/" in (root, checkout):
            raise UserError("The whole file system cannot be a workspace.", hint="Start in a folder of your project.")
        if not seen.root.is_dir():
            raise UserError(f"The folder {root} does not exist.", hint="Start again in a folder of your project.")
        roots = tuple(dict.fromkeys((checkout, root)))
        aliases = [
            mount
            for path in (place.root, place.stands_for or place.root)
            for mount in expose(str(path), hidden=self._hidden)
            if mount.kind == "link"
        ]
        tools = [self.toolchains, *(self._toolchains_of(target) for target in place.links.values())]
        shown = [mount for toolchains in tools for mount in self._shown(toolchains)]
        mounts = [
            *(Mount("hide", folder) for folder in self._hidden),
            *(Mount("read", path, path) for path in self._readable if path not in ("/", TMP)),
            *(mount for mount in (*aliases, *shown) if not any(is_inside(mount.at, at) for at in roots)),
            *(Mount("write", at, root) for at in roots),
            *self._toolchains_inside(root, checkout),
            *_links(seen, roots),
            *self._secrets(root, roots),
            *git_mounts(seen, roots, hidden=self._hidden),
        ]
        if self._home_inside(root, checkout) == _SPARE_HOME:
            mounts.append(Mount("hide", _SPARE_HOME))
        return arrange(mounts, root=seen.root)

    def _shown(self, toolchains: Toolchains) -> tuple[Mount, ...]:
        paths = (*toolchains.imports, *toolchains.roots)
        found = self._shown_once.get(paths)
        if found is None:
            found = tuple(mount for path in paths for mount in expose(path, hidden=self._hidden))
            self._shown_once[paths] = found
        # Looked up once, but an environment may have been taken away since.
        return tuple(mount for mount in found if mount.kind == "link" or _exists(mount.source))

    def _toolchains_of(self, environment: Path) -> Toolchains:
        """What a linked folder needs when it is a virtual environment: its base interpreter."""
        found = self._linked.get(environment)
        if found is None:
            variables = {"VIRTUAL_ENV": str(environment)} if is_environment(environment) else {}
            found = self._linked[environment] = find_toolchains(variables, home=Path(self._home))
        return found

    def _home_inside(self, root: str, checkout: str) -> str:
        is_usable = self._home in self._hidden and self._home not in (root, checkout)
        return self._home if is_usable else _SPARE_HOME

    def _toolchains_inside(self, root: str, checkout: str) -> list[Mount]:
        """Environments that live in the user's checkout are put back where the tree has none of its own.

        In the checkout itself they stand already and are made read-only: what a command wrote into one would run
        outside any sandbox the next time its user starts a program from it.
        """
        mounts = []
        for path in self.toolchains.roots:
            if not is_inside(path, checkout) or path == checkout:
                continue
            if root == checkout:
                if is_environment(Path(path)) and not Path(path).is_symlink():
                    mounts.append(Mount("read", path, path))
                continue
            relative = path[len(checkout) :]
            if _is_free(root + relative) and Path(path).exists():
                mounts += [Mount("read", at + relative, path) for at in (checkout, root)]
        return mounts

    def brought_along(self, place: Place) -> str:
        """Where the tree holds something of its own at the place of the user's environment or of a linked folder, so
        that its programs would run in place of the user's; in words, empty when it does not.
        """
        seen = real(place)
        root, checkout = str(seen.root), str(seen.stands_for or seen.root)
        if root == checkout:
            return ""
        inside = [path for path in self.toolchains.roots if is_inside(path, checkout) and path != checkout]
        taken = [path[len(checkout) + 1 :] for path in inside if _is_the_machines(Path(path), Path(checkout))]
        taken += [os.path.normpath(relative) for relative in seen.links]
        own = sorted({relative for relative in taken if not _is_free(f"{root}/{relative}")})
        return _in_place_of_yours(own, {os.path.normpath(relative) for relative in seen.links}) if own else ""

    def _secrets(self, root: str, roots: tuple[str, ...]) -> list[Mount]:
        """The project's settings are read-only; the user's credentials stay out of sight wherever they lie."""
        mounts = [
            Mount("read", f"{at}/.equitr", f"{root}/.equitr")
            for at in roots
            if f"{at}/.equitr" != self._equitr_home and Path(f"{root}/.equitr").is_dir()
        ]
        mounts += [Mount("text", path) for path in self.toolchains.credentials]
        for name in _CREDENTIALS:
            path = f"{self._home}/{name}"
            if any(is_inside(path, shown) for shown in (*roots, *self._readable)) and _exists(path):
                mounts.append(Mount("empty" if Path(path).is_dir() else "text", path))
        return mounts


def _exists(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 - asked many times before every command
    except (OSError, ValueError):
        return False
    return True


def _links(place: Place, roots: tuple[str, ...]) -> list[Mount]:
    """Outside folders that appear inside the tree, where it has nothing of its own."""
    mounts = []
    for relative, target in place.links.items():
        within = os.path.normpath(f"/{relative}")
        if within != "/" and target.exists() and _is_free(f"{place.root}{within}"):
            mounts += [Mount("read", f"{at}{within}", str(target)) for at in roots]
    return mounts


def real(place: Place) -> Place:
    """The place with its links resolved: mounts have no use for aliases."""
    return replace(
        place,
        root=Path(os.path.realpath(place.root)),
        stands_for=None if place.stands_for is None else Path(os.path.realpath(place.stands_for)),
    )


def _is_the_machines(path: Path, checkout: Path) -> bool:
    """A virtual environment or installed packages, or a folder of them: never part of what a task builds."""
    above = [folder for folder in (path, *path.parents) if is_inside(str(folder), str(checkout)) and folder != checkout]
    return any(folder.name == "node_modules" or is_environment(folder) for folder in above)


def _in_place_of_yours(own: list[str], links: Collection[str]) -> str:
    words = f"the tree brings its own {', '.join(own)}, whose programs would run in place of yours"
    linked = [relative for relative in own if relative in links]
    return f"{words}; take {', '.join(linked)} out of `links` in .equitr/worktree.yaml" if linked else words


def _is_free(path: str) -> bool:
    """Nothing is there, or an empty folder."""
    try:
        return not any(Path(path).iterdir())
    except FileNotFoundError:
        return True
    except OSError:
        return False
