import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.domain.runs import PlanMode
from equitr_coder.settings.environment import variable_name
from equitr_coder.settings.keys import known_keys
from equitr_coder.settings.layers import load_settings
from equitr_coder.settings.schema import (
    AfterEditSettings,
    CheckSettings,
    CollaborationSettings,
    ConflictSettings,
    LlmSettings,
    ModelSettings,
    OrchestratorSettings,
    PermissionSettings,
    PlanningSettings,
    PriceSettings,
    SandboxSettings,
    Settings,
    SyncPointSettings,
    TierSettings,
)
from equitr_coder.settings.trust import FileTrustStore
from equitr_coder.settings.yaml_text import write

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
WORDS = st.text("abcdefgXYZ0123456789-./: #'\"", min_size=1, max_size=20).filter(
    lambda text: bool(text.strip()) and text not in ("null", "~") and text == text.strip()
)
SCRIPT = WORDS.map(lambda name: "/" + name.strip("/ ")).filter(lambda path: str(Path(path)) == path)
COUNT = st.integers(1, 10**6)
SECONDS = st.floats(0.001, 10**6)
WARMTH = st.none() | st.floats(0, 2)
MONEY = st.decimals(0, 10**6, places=6)
VARIABLE = st.none() | st.from_regex(r"[A-Z_][A-Z0-9_]{0,10}", fullmatch=True)
ADDRESS = st.none() | st.from_regex(r"https?://[a-z]{1,8}(:[1-9][0-9]{0,3})?(/[a-z0-9]{1,8}){0,2}", fullmatch=True)
PROVIDER = st.from_regex(r"[a-z_]{1,10}", fullmatch=True)
ADAPTER = st.sampled_from(["auto", "direct", "litellm"])


def configurations(text: st.SearchStrategy[str]) -> st.SearchStrategy[Settings]:
    texts = st.lists(text, max_size=3).map(tuple)
    prices = st.builds(PriceSettings, input=MONEY, output=MONEY, cache_read=st.none() | MONEY)
    model = st.builds(
        ModelSettings,
        provider=st.none() | PROVIDER,
        model=st.none() | text,
        temperature=WARMTH,
        max_tokens=st.none() | COUNT,
        api_base=ADDRESS,
        api_key_env=VARIABLE,
        adapter=st.none() | ADAPTER,
    )
    llm = st.builds(
        LlmSettings,
        provider=PROVIDER,
        model=st.none() | text,
        api_base=ADDRESS,
        api_key_env=VARIABLE,
        adapter=ADAPTER,
        edit_format=st.sampled_from(["auto", "apply_patch", "unified_diff"]),
        temperature=WARMTH,
        max_tokens=COUNT,
        budget=st.none() | MONEY,
        models=st.builds(TierSettings, supervisor=model, worker=model),
        prices=st.dictionaries(text, prices, max_size=3),
        script=st.none() | SCRIPT,
        timeout=SECONDS,
        retries=st.integers(0, 9),
    )
    orchestrator = st.builds(
        OrchestratorSettings,
        use_multi_agent=st.booleans(),
        max_iterations=COUNT,
        worker_timeout=SECONDS,
        max_workers=COUNT,
        max_attempts=COUNT,
        review=st.sampled_from(["all", "critical", "none"]),
        plan=st.sampled_from(PlanMode),
        max_escalations=st.integers(0, 9),
    )
    collaboration = st.builds(
        CollaborationSettings,
        enabled=st.booleans(),
        planning=st.builds(
            PlanningSettings,
            auto_split=st.booleans(),
            min_subtasks=st.integers(1, 5),
            max_subtasks=st.integers(5, 9),
        ),
        sync_points=st.builds(SyncPointSettings, auto_detect=st.booleans(), types=texts),
        conflict_resolution=st.builds(ConflictSettings, mode=st.sampled_from(["auto_merge", "merge_review", "manual"])),
    )
    after_edit = st.lists(st.builds(AfterEditSettings, glob=text, command=text, timeout=SECONDS), max_size=2).map(tuple)
    return st.builds(
        Settings,
        llm=llm,
        orchestrator=orchestrator,
        checks=st.builds(CheckSettings, default=st.none() | text, gate=texts, after_edit=after_edit, timeout=SECONDS),
        collaboration=collaboration,
        permission=st.builds(PermissionSettings, allow=texts, ask=texts, deny=texts),
        sandbox=st.builds(
            SandboxSettings,
            mode=st.sampled_from(["auto", "off"]),
            read=st.lists(st.just("/opt") | st.just("/srv/data"), max_size=2).map(tuple),
        ),
    )


def loaded_from(text: str, environ: dict[str, str]) -> Settings:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "config.yaml").write_text(text, encoding="utf-8")
        return load_settings(home=home, repo=None, environ=environ, flags={}, trust=FileTrustStore(home)).settings


@given(configurations(TEXT))
@settings(max_examples=60, deadline=None)
def test_a_configuration_written_as_yaml_loads_as_itself(configuration: Settings) -> None:
    sections = configuration.model_dump()

    assert (
        loaded_from("".join(f"{name}: {write(section)}\n" for name, section in sections.items()), {}) == configuration
    )


@given(configurations(WORDS))
@settings(max_examples=60, deadline=None)
def test_a_configuration_in_the_environment_loads_as_itself(configuration: Settings) -> None:
    environ = {}
    for path in known_keys():
        value: Any = configuration.model_dump()
        for part in path:
            value = value[part]
        environ[variable_name(path)] = value if isinstance(value, str) else write(value)

    assert loaded_from("", environ) == configuration
