from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from equitr_coder.domain.models import ModelSpec, Tier
from equitr_coder.settings.schema import require_models

if TYPE_CHECKING:
    from tests.settings.conftest import Machine

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.yaml"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_loads_without_a_warning_for_user_and_project(sample: Path, machine: "Machine") -> None:
    machine.user(sample.read_text())

    as_user = machine.load()
    machine.project(sample.read_text())
    machine.trust()
    as_project = machine.load()

    assert as_user.warnings == as_project.warnings == ()
    assert as_user.settings == as_project.settings


def test_there_are_seven_samples() -> None:
    assert len(SAMPLES) == 7


def test_the_custom_sample_gives_two_models_on_one_endpoint(machine: "Machine") -> None:
    machine.user((SAMPLES[0].parent / "custom_models.yaml").read_text())

    settings = machine.load().settings

    base = "http://localhost:4000"
    assert settings.supervisor() == ModelSpec(name="gpt-4o", tier=Tier.STRONG, api_base=base, temperature=0.1)
    assert settings.worker() == ModelSpec(name="gpt-3.5-turbo", tier=Tier.WEAK, api_base=base, temperature=0.3)
    assert (settings.orchestrator.use_multi_agent, settings.orchestrator.max_iterations) == (True, 15)
    require_models(settings, multi_agent=True)
