"""Agents as data: the profiles that ship, the user's and a trusted project's; a later one overrides by name."""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.models import Tier
from equitr_coder.domain.value import Value
from equitr_coder.ports import Profile
from equitr_coder.settings.fields import Count, Flag, Temperature, Text, Texts
from equitr_coder.settings.files import read_optional
from equitr_coder.settings.project import Project
from equitr_coder.settings.records import parse_record, refused_key
from equitr_coder.settings.shipped import config_dir

FOLDER = "profiles"
SUFFIX = ".yaml"

ALIASES: Mapping[str, str] = {
    "Read": "read_file",
    "Write": "write_file",
    "Edit": "edit_file",
    "Bash": "run_command",
    "Grep": "search",
    "Glob": "list_files",
}


class ProfileFile(Value):
    """A profile as written; what is None comes from the profile it extends."""

    name: Text | None = None
    extends: Text | None = None
    """A profile of a weaker layer: a user's may extend one that ships, a project's also a user's."""
    role: Literal["coordinator", "specialist", "worker"] | None = None
    tier: Tier | None = None
    tools: Texts | None = None
    prompt: Text | None = None
    specialization: Text | None = None
    extra_prompt: Text | None = None
    temperature: Temperature | None = None
    max_iterations: Count | None = None
    auto_escalate_on_uncertainty: Flag | None = None
    """A hand-in with a confidence below one half goes to the supervisor first. Unless said otherwise: true."""


def load_profiles(*, home: Path, project: Project, known_tools: Collection[str] | None = None) -> Mapping[str, Profile]:
    """All profiles by name. With `known_tools`, a tool that is not among them is an error.

    Raises:
        UserError: a file cannot be read, or does not make a whole profile.
    """
    profiles: dict[str, Profile] = {}
    for texts in (_texts_in(config_dir() / FOLDER), _texts_in(home / FOLDER), _project_texts(project)):
        profiles |= {
            path.stem: _profile(text, path, weaker=dict(profiles), known_tools=known_tools) for path, text in texts
        }
    return profiles


def _texts_in(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            text = read_optional(path)
        except OSError as error:
            raise UserError(
                f"{path} cannot be read: {error.strerror or error}", hint="make it readable, or move it away"
            ) from error
        if text is not None:
            yield path, text


def _project_texts(project: Project) -> Iterator[tuple[Path, str]]:
    for name in project.trusted_names(FOLDER, suffix=SUFFIX):
        text = project.trusted_text(name)
        if text is not None:
            yield project.folder / name, text


def _profile(text: str, path: Path, *, weaker: Mapping[str, Profile], known_tools: Collection[str] | None) -> Profile:
    written = parse_record(ProfileFile, text, name=str(path))
    if written.name not in (None, path.stem):
        problem = f"expected {path.stem}, as the file is called; found {written.name}"
        raise refused_key(text, "name", problem, name=str(path), hint=f"correct {path}")
    if written.extends is not None and written.extends not in weaker:
        known = f"known: {', '.join(sorted(weaker))}" if weaker else "a profile that ships extends none"
        problem = f"there is no profile {written.extends} to extend"
        raise refused_key(text, "extends", problem, name=str(path), hint=known)
    values = _given(weaker[written.extends]) if written.extends is not None else {}
    values |= written.model_dump(exclude_none=True, exclude={"name", "extends"})
    missing = [key for key in ("role", "tier", "tools", "prompt") if key not in values]
    if missing:
        hint = f"add `{missing[0]}`, or `extends` another profile"
        raise refused_key(text, missing[0], "it is missing", name=str(path), hint=hint)
    tools = tuple(dict.fromkeys(ALIASES.get(tool, tool) for tool in values["tools"]))
    unknown = [] if known_tools is None else [tool for tool in tools if tool not in known_tools]
    if unknown:
        close = get_close_matches(unknown[0], known_tools or (), n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known_tools or ()))}"
        raise refused_key(text, "tools", f"there is no tool {unknown[0]}", name=str(path), hint=hint)
    return Profile(**{**values, "name": path.stem, "tools": tools})


def _given(profile: Profile) -> dict[str, Any]:
    return {key: value for key, value in vars(profile).items() if value is not None}
