from pathlib import Path

import pytest

from equitr_coder.core.config import config_manager
from equitr_coder.domain.errors import UserError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EQUITR_HOME", str(tmp_path))
    monkeypatch.delenv("EQUITR_LLM__BUDGET", raising=False)
    return tmp_path


def test_default_configuration_is_what_the_user_wrote_over_the_defaults(home: Path) -> None:
    (home / "config.yaml").write_text("llm:\n  model: openai/big\n  budget: 2.5\n")

    config = config_manager.load_config("default")

    assert (config.llm.model, str(config.llm.budget)) == ("openai/big", "2.5")
    assert config.orchestrator.use_multi_agent is False
    assert config.changes == {}


def test_what_is_set_is_read_back_and_remembered_by_its_key() -> None:
    config = config_manager.load_config("default")

    config.orchestrator.use_multi_agent = True
    config.llm.models.worker.model = "openai/small"

    assert config.orchestrator.use_multi_agent is True
    assert config.changes == {"orchestrator.use_multi_agent": True, "llm.models.worker.model": "openai/small"}


def test_two_configurations_do_not_share_their_changes() -> None:
    first, second = config_manager.load_config("default"), config_manager.load_config("default")

    first.llm.model = "x/y"

    assert second.llm.model is None


def test_prices_are_one_value() -> None:
    config = config_manager.load_config("default")

    config.llm.prices = {"stub/x": {"input": 0, "output": 0}}

    assert config.changes == {"llm.prices": {"stub/x": {"input": 0, "output": 0}}}


def test_unknown_key_names_the_known_ones() -> None:
    config = config_manager.load_config("default")

    with pytest.raises(AttributeError, match=r"no key orchestrator\.use_multiagent; there is .*use_multi_agent"):
        config.orchestrator.use_multiagent = True
    with pytest.raises(AttributeError, match=r"no key llm\.models\.boss"):
        _ = config.llm.models.boss


def test_section_is_not_replaced_whole() -> None:
    config = config_manager.load_config("default")

    with pytest.raises(AttributeError, match="llm is a section"):
        config.llm = {"model": "x"}


def test_only_the_default_configuration_exists() -> None:
    with pytest.raises(UserError, match="no configuration named 'production'"):
        config_manager.load_config("production")


def test_broken_file_names_itself(home: Path) -> None:
    (home / "config.yaml").write_text("llm:\n  budgte: 3\n")

    with pytest.raises(UserError, match=r"config\.yaml:2"):
        config_manager.load_config("default")
