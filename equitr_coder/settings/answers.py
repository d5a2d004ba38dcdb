"""Answers to questions about the configuration. Pure."""

from equitr_coder.domain.queries import ConfigAnswer
from equitr_coder.settings.layers import LoadedSettings
from equitr_coder.settings.teams import Team


def config_answer(loaded: LoadedSettings, team: Team) -> ConfigAnswer:
    """Every key with its value as YAML, secrets masked, and its source; then the rules of the team."""
    return ConfigAnswer(entries=(*loaded.entries, *team.entries), warnings=loaded.warnings)
