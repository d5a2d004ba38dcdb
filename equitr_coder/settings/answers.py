"""Answers to questions about the configuration. Pure."""

from equitr_coder.domain.queries import ConfigAnswer
from equitr_coder.settings.layers import LoadedSettings


def config_answer(loaded: LoadedSettings) -> ConfigAnswer:
    """Every key with its value as YAML, secrets masked, and its source."""
    return ConfigAnswer(entries=loaded.entries, warnings=loaded.warnings)
