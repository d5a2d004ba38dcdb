"""Teams as data: the one that ships, the user's rules and a trusted project's over it, key by key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.panel import EscalationPolicy
from equitr_coder.domain.queries import ConfigEntry
from equitr_coder.domain.value import Value
from equitr_coder.settings.fields import Flag, Seconds
from equitr_coder.settings.files import decoded, read_optional
from equitr_coder.settings.project import Project
from equitr_coder.settings.records import line_of, parse_record
from equitr_coder.settings.shipped import config_dir
from equitr_coder.settings.yaml_text import write

FOLDER = "teams"
CODING = "coding"
"""The team of `-M`."""
_RULES = "coordination_rules"


class CoordinationRules(Value):
    """As written; what is None comes from a weaker layer."""

    parallel_execution: Flag | None = None
    timeout_per_agent_seconds: Seconds | None = None
    escalation_policy: EscalationPolicy | None = None
    wait_for_all: Flag | None = None


class TeamFile(Value):
    coordination_rules: CoordinationRules = Field(default_factory=CoordinationRules)


@frozen
class Team:
    """What a team's members keep to."""

    name: str
    is_parallel: bool
    agent_timeout: float | None
    """Seconds of one attempt; None: as `orchestrator.worker_timeout` says."""
    escalation_policy: EscalationPolicy
    waits_for_all: bool
    entries: tuple[ConfigEntry, ...]
    """Every rule with its value and source; after it what an untrusted project wanted there."""


def load_team(*, home: Path, project: Project, name: str = CODING) -> Team:
    """The team's rules in force.

    Raises:
        UserError: a file cannot be read, or holds an unknown key or a wrong value.
    """
    rules: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for layer, path, text in _layers(name, home, project):
        written = parse_record(TeamFile, text, name=str(path)).coordination_rules.model_dump(exclude_none=True)
        rules |= written
        sources |= {key: layer and f"{layer} {path}:{line_of(text, (_RULES, key), name=str(path))}" for key in written}
    ignored = _ignored(name, project)
    entries: list[ConfigEntry] = []
    for key in CoordinationRules.model_fields:
        shown = f"{FOLDER}.{name}.{key}"
        entries.append(ConfigEntry(key=shown, value=write(rules.get(key)), source=sources.get(key) or "default"))
        if key in ignored:
            source = f"ignored: untrusted {project.folder / _file(name)}"
            entries.append(ConfigEntry(key=shown, value=write(ignored[key]), source=source))
    return Team(
        name=name,
        is_parallel=rules.get("parallel_execution", True),
        agent_timeout=rules.get("timeout_per_agent_seconds"),
        escalation_policy=rules.get("escalation_policy", "vote"),
        waits_for_all=rules.get("wait_for_all", True),
        entries=tuple(entries),
    )


def _layers(name: str, home: Path, project: Project) -> Iterator[tuple[str, Path, str]]:
    """Name, place and text of each, the weakest first."""
    for layer, folder in (("", config_dir()), ("user", home)):
        path = folder / _file(name)
        try:
            text = read_optional(path)
        except OSError as error:
            raise UserError(
                f"{path} cannot be read: {error.strerror or error}", hint="make it readable, or move it away"
            ) from error
        if text is not None:
            yield layer, path, text
    text = project.trusted_text(_file(name))
    if text is not None:
        yield "project", project.folder / _file(name), text


def _ignored(name: str, project: Project) -> dict[str, Any]:
    """What a project that is not trusted would set; its faults are nobody's error."""
    data = project.files.get(_file(name))
    if data is None or project.is_trusted:
        return {}
    path = project.folder / _file(name)
    try:
        return parse_record(TeamFile, decoded(data, path), name=str(path)).coordination_rules.model_dump(
            exclude_none=True
        )
    except UserError:
        return {}


def _file(name: str) -> str:
    return f"{FOLDER}/{name}.yaml"
