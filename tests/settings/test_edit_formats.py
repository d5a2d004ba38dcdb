import pytest

from equitr_coder.domain.models import ModelSpec, Tier
from equitr_coder.settings.edit_formats import edit_formats
from equitr_coder.settings.presets import presets
from equitr_coder.settings.schema import AfterEditSettings, CheckSettings, Settings


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("openai/gpt-4.1-mini", "apply_patch"),
        ("gpt-5-codex", "apply_patch"),
        ("openrouter/openai/GPT-6-luna", "apply_patch"),
        ("groq/openai/gpt-oss-120b", "apply_patch"),
        ("openai/gpt-4-turbo", "unified_diff"),
        ("anthropic/claude-sonnet-5", "edit_file"),
        ("gemini/gemini-3-pro", "edit_file"),
        ("ollama/llama3.1", "edit_file"),
        ("scripted/worker", "edit_file"),
    ],
)
def test_a_family_gets_what_it_was_trained_on(name: str, format_: str) -> None:
    assert edit_formats().recommended(ModelSpec(name=name, tier=Tier.WEAK)) == format_


def test_the_users_word_goes_first_and_a_tiers_own_before_the_common_one() -> None:
    settings = Settings.model_validate(
        {
            "llm": {
                "model": "openai/gpt-6",
                "edit_format": "unified_diff",
                "models": {"worker": {"edit_format": "edit_file"}},
            }
        }
    )
    supervisor, worker = settings.supervisor(), settings.worker()
    assert supervisor is not None
    assert worker is not None

    assert edit_formats().recommended(supervisor) == "unified_diff"
    assert edit_formats().recommended(worker) == "edit_file"


def test_every_model_of_the_presets_has_an_answer_and_the_last_entry_is_for_all() -> None:
    formats = edit_formats()

    assert formats.formats[-1].models == ("*",)
    assert {formats.recommended(ModelSpec(name=p.worker, tier=Tier.WEAK)) for p in presets()} <= {
        "edit_file",
        "apply_patch",
    }


@pytest.mark.parametrize(
    ("given", "commands"),
    [
        ("ruff format {file}", ["ruff format {file}"]),
        ({"command": "ruff {file}", "glob": "*.py"}, ["ruff {file}"]),
        (["a", {"command": "b"}], ["a", "b"]),
        ([], []),
    ],
)
def test_commands_after_edits_are_one_or_several_plain_or_with_a_glob(given: object, commands: list[str]) -> None:
    checks = CheckSettings.model_validate({"after_edit": given})

    assert [check.command for check in checks.after_edit] == commands
    assert all(isinstance(check, AfterEditSettings) for check in checks.after_edit)
