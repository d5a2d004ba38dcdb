from decimal import Decimal

from equitr_coder.domain.ids import RunId
from equitr_coder.domain.queries import ConfigAnswer, ConfigEntry, ConfiguredModel, ModelsAnswer
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.mode import Mode, Setup, status_line
from tests.repl.conftest import MODELS

SETUP = Setup(
    models={row.role: row for row in MODELS.configured},
    budget=Decimal("10.00"),
    multi_agent=False,
)


def mode(*, multi_agent: bool = False, plans_first: bool = False, model: str | None = None) -> Mode:
    return Mode(setup=SETUP, multi_agent=multi_agent, plans_first=plans_first, model=model)


def test_the_status_names_mode_models_and_money() -> None:
    assert status_line(mode(), None) == "multi-agent off  model weak/coder  $0.0000 of $10.00"
    assert status_line(mode(multi_agent=True), None) == (
        "multi-agent on  supervisor strong/planner  worker weak/coder  $0.0000 of $10.00"
    )
    assert status_line(mode(plans_first=True), None).startswith("planning  supervisor strong/planner  worker weak/")


def test_a_run_brings_its_own_budget() -> None:
    view = RunView(run=RunId("run-1"))

    assert status_line(mode(), view).endswith("$0.0000 of no limit")


def test_a_narrow_terminal_keeps_the_money_and_drops_the_providers() -> None:
    assert status_line(mode(multi_agent=True), None, width=70) == (
        "multi-agent on  $0.0000 of $10.00  supervisor planner  worker coder"
    )


def test_the_model_of_the_session_is_the_worker_too_unless_that_has_its_own() -> None:
    same = ConfiguredModel(role="worker", name="strong/planner", note="same as supervisor")
    follows = Setup(models={**SETUP.models, "worker": same}, budget=None, multi_agent=True)

    assert mode(multi_agent=True, model="x/y").models == ("supervisor x/y", "worker weak/coder")
    assert Mode(follows, multi_agent=True, plans_first=False, model="x/y").models == ("supervisor x/y", "worker x/y")
    assert mode(model="x/y").models == ("model x/y",)


def test_the_setup_is_read_from_what_is_in_force() -> None:
    entries = (
        ConfigEntry(key="llm.budget", value="99.00", source="ignored: untrusted /w/.equitr/config.yaml"),
        ConfigEntry(key="llm.budget", value="2.50", source="default"),
        ConfigEntry(key="orchestrator.use_multi_agent", value="true", source="flag --multi-agent"),
    )

    assert Setup.of(ConfigAnswer(entries=entries), MODELS) == Setup(
        models=SETUP.models, budget=Decimal("2.50"), multi_agent=True
    )
    unlimited = ConfigAnswer(entries=(ConfigEntry(key="llm.budget", value="unlimited", source="default"),))
    assert Setup.of(unlimited, ModelsAnswer(configured=())).budget is None
