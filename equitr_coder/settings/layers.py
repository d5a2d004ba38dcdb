"""The configuration in force: defaults < user < project < environment < flags, each value with where it comes from."""

from collections.abc import Mapping
from pathlib import Path

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.queries import ConfigEntry
from equitr_coder.ports import TrustStore
from equitr_coder.settings.entries import entries_in_force
from equitr_coder.settings.environment import environment_values
from equitr_coder.settings.files import read_optional
from equitr_coder.settings.leaves import Gathered, Layer, Leaf, Leaves, Source, collect, joined, wrapped
from equitr_coder.settings.project import Project, read_project
from equitr_coder.settings.schema import BY_NAME, Settings
from equitr_coder.settings.yaml_text import node_of, read

CONFIG_FILE = "config.yaml"

_SUPERVISOR = ("llm", "models", "supervisor")
_WORKER = ("llm", "models", "worker")


@frozen
class LoadedSettings:
    settings: Settings
    entries: tuple[ConfigEntry, ...]
    """Every key with its value and source; after it what an untrusted project would have set."""
    warnings: tuple[str, ...]
    project: Project
    """The project's files, for profiles and the worktree's set-up."""


def load_settings(
    *,
    home: Path,
    repo: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, tuple[object, str]],
    trust: TrustStore,
) -> LoadedSettings:
    """Read every layer. `flags` maps a dotted key to its value (None is null) and the flag's name.

    Raises:
        UserError: a layer holds something that cannot be read, an unknown key or a wrong value.
    """
    warnings: list[str] = []
    project = read_project(repo, home=home, trust=trust)
    leaves: Leaves = {
        **_user_leaves(home, environ, warnings),
        **_project_leaves(project, environ, warnings),
        **_variable_leaves(environ, warnings),
        **_flag_leaves(flags),
    }
    _free_complete_names(leaves)
    settings = joined(leaves)
    if project.files and not project.is_trusted:
        warnings.append(
            f"{project.folder} is not trusted, so its settings are ignored; `equitrcoder trust` accepts it as it is now"
        )
    warnings += [f"left out of the project's settings: {line}" for line in project.skipped]
    entries = entries_in_force(settings, leaves, ignored=_untrusted_leaves(project))
    return LoadedSettings(settings, entries, tuple(warnings), project)


def parse_config(text: str, *, name: str) -> Settings:
    """The settings that a configuration file of this text gives by itself.

    Raises:
        UserError: as for a file that is read.
    """
    return joined(_file_leaves(text, name, Layer.USER, []))


def _user_leaves(home: Path, environ: Mapping[str, str], warnings: list[str]) -> Leaves:
    path = home / CONFIG_FILE
    try:
        if home.is_file():
            warnings.append(f"{home} is a file, not a folder: no settings are read there, and no run can be kept")
        text = read_optional(path)
    except IsADirectoryError:
        warnings.append(f"{path} is a folder, not a file; it counts as absent")
        return {}
    except OSError as error:
        warnings.append(f"{path} cannot be read ({error.strerror or error}); it counts as absent")
        return {}
    if text is None:
        return {}
    return _with_paths(_file_leaves(text, str(path), Layer.USER, warnings), base=home, environ=environ)


def _project_leaves(project: Project, environ: Mapping[str, str], warnings: list[str]) -> Leaves:
    text = project.trusted_text(CONFIG_FILE)
    if text is None:
        return {}
    leaves = _file_leaves(text, str(project.folder / CONFIG_FILE), Layer.PROJECT, warnings)
    return _with_paths(leaves, base=project.folder.parent, environ=environ)


def _untrusted_leaves(project: Project) -> Leaves:
    """What the project would set, for showing; faults of a project that does not count are nobody's error."""
    data = project.files.get(CONFIG_FILE)
    if data is None or project.is_trusted:
        return {}
    path = project.folder / CONFIG_FILE
    found = Gathered()
    try:
        node = read(data.decode("utf-8-sig", errors="replace"), name=str(path))
    except UserError:
        return {}
    collect(node, lambda line: Source(Layer.PROJECT, f"{path}:{line}"), found)
    return found.leaves


def _file_leaves(text: str, name: str, layer: Layer, warnings: list[str]) -> Leaves:
    found = Gathered(warnings=warnings)
    collect(read(text, name=name), lambda line: Source(layer, f"{name}:{line}"), found)
    return found.check()


def _variable_leaves(environ: Mapping[str, str], warnings: list[str]) -> Leaves:
    found = Gathered(warnings=warnings)
    values = environment_values(environ, found.faults, warnings)
    for variable, path, node in values:
        source = Source(Layer.ENVIRONMENT, f"environment {variable}")
        collect(wrapped(path, node), source.anywhere, found)
    return found.check()


def _flag_leaves(flags: Mapping[str, tuple[object, str]]) -> Leaves:
    """`--model` names the supervisor too: it means "this model, now", whatever the files say."""
    found = Gathered()
    for key, (value, flag) in flags.items():
        source = Source(Layer.FLAG, f"flag --{flag.lstrip('-')}")
        collect(wrapped(tuple(key.split(".")), node_of(value)), source.anywhere, found)
    if (model := found.leaves.get(("llm", "model"))) is not None:
        found.leaves.setdefault((*_SUPERVISOR, "model"), model)
    return found.check()


def _with_paths(leaves: Leaves, *, base: Path, environ: Mapping[str, str]) -> Leaves:
    """Paths in a file start at its folder (the repository, for a project's); `~` is the user's home directory."""

    def absolute(text: str) -> str:
        user_home = environ.get("HOME")
        if text.startswith("~/") and user_home:
            return str(Path(user_home) / text[2:])
        return str(base / text)

    found = dict(leaves)
    if (script := leaves.get(("llm", "script"))) is not None and script.value is not None:
        found["llm", "script"] = Leaf(absolute(script.value), script.source)
    if (readable := leaves.get(("sandbox", "read"))) is not None:
        found["sandbox", "read"] = Leaf([absolute(path) for path in readable.value], readable.source)
    return found


def _free_complete_names(leaves: Leaves) -> None:
    """A model named with its provider by a stronger layer is not put under a weaker layer's `provider`.

    `--model openai/x` over a file that says `provider: anthropic` means openai. Tiers that relied on that file's
    provider keep it.
    """
    for section in (_SUPERVISOR, _WORKER, ("llm",)):
        model, provider = leaves.get((*section, "model")), leaves.get((*section, "provider"))
        if model is None or provider is None or provider.value == BY_NAME:
            continue
        if "/" not in str(model.value) or provider.source.layer >= model.source.layer:
            continue
        if section == ("llm",):
            for tier in (_SUPERVISOR, _WORKER):
                if (*tier, "model") in leaves and "/" not in str(leaves[*tier, "model"].value):
                    leaves.setdefault((*tier, "provider"), provider)
        leaves[*section, "provider"] = Leaf(BY_NAME, model.source)
