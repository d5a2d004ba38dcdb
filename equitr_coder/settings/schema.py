"""The configuration as values, with defaults. `config/default.yaml` says the same to people; a test compares the two.

Pure: what the values mean together (which model is the worker, what it inherits) is decided here; reading them is not.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from equitr_coder.domain.approvals import PermissionMode
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.models import ModelSpec, Tier
from equitr_coder.domain.money import MILLION, Price
from equitr_coder.domain.runs import PlanMode
from equitr_coder.domain.value import Value
from equitr_coder.settings.fields import (
    Address,
    Count,
    CountOrNone,
    Flag,
    HostNames,
    HostPaths,
    Limit,
    Money,
    OneToFive,
    Provider,
    Seconds,
    Temperature,
    Text,
    Texts,
    Variable,
    expected,
    yes_or_no,
)

BY_NAME = "litellm"
"""The provider value that means: the model's name says which provider it is."""

PRICE_SOURCE = "config llm.prices"

TOGETHER = "together"
"""Type of the pydantic errors about values that are right alone and wrong together."""

_PER_TOKEN = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
}
"""litellm's spellings, in US dollars per token, to ours, per million tokens."""

Adapter = Literal["auto", "direct", "litellm"]
Tools = Literal["auto", "native", "text"]
Images = Annotated[Literal["auto", "yes", "no"], BeforeValidator(yes_or_no)]
Editing = Literal["auto", "edit_file", "apply_patch", "unified_diff", "search_replace"]


class PriceSettings(Value):
    """US dollars per million tokens."""

    input: Money
    output: Money
    cache_read: Money | None = None
    cache_write: Money | None = None
    cache_write_1h: Money | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_per_token(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        prices = {key: value for key, value in given.items() if key not in _PER_TOKEN}
        for spelling, field in _PER_TOKEN.items():
            if spelling not in given:
                continue
            if field in given:
                raise PydanticCustomError(
                    TOGETHER, "{what}", {"what": f"{field} and {spelling} say the same; keep one"}
                )
            value = given[spelling]
            if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
                raise expected(f"a number of US dollars per token in {spelling}")
            prices[field] = (Decimal(str(value)) * MILLION).normalize()
        return prices


class ModelSettings(Value):
    """One tier's model. What is None is inherited from `llm`."""

    provider: Provider | None = None
    model: Text | None = None
    temperature: Temperature | None = None
    max_tokens: Count | None = None
    context_window: Count | None = None
    api_base: Address | None = None
    api_key_env: Variable | None = None
    adapter: Adapter | None = None
    tools: Tools | None = None
    images: Images | None = None
    edit_format: Editing | None = None
    fallbacks: "tuple[FallbackSettings, ...]" = ()

    @model_validator(mode="before")
    @classmethod
    def _accept_plain_name(cls, given: Any) -> Any:
        return {"model": given} if isinstance(given, str) else given


class FallbackSettings(Value):
    """A model that takes over while the tier's own is down. It inherits nothing but `temperature` and `max_tokens`."""

    model: Text
    api_base: Address | None = None
    api_key_env: Variable | None = None
    adapter: Adapter = "auto"
    tools: Tools = "auto"
    images: Images = "auto"

    @model_validator(mode="before")
    @classmethod
    def _accept_plain_name(cls, given: Any) -> Any:
        return {"model": given} if isinstance(given, str) else given


class TierSettings(Value):
    supervisor: ModelSettings = Field(default_factory=ModelSettings)
    worker: ModelSettings = Field(default_factory=ModelSettings)


class WorkflowLimits(Value):
    """US dollars of one run, by what kind of run it is."""

    chat: Limit = None
    epic: Limit = None
    loop: Limit = None


class LimitSettings(Value):
    """Limits below the run's budget; the tightest wins."""

    task: Limit = None
    agent: Limit = None
    workflows: WorkflowLimits = Field(default_factory=WorkflowLimits)


class LlmSettings(Value):
    provider: Provider = BY_NAME
    model: Text | None = None
    api_base: Address | None = None
    api_key_env: Variable | None = None
    adapter: Adapter = "auto"
    tools: Tools = "auto"
    images: Images = "auto"
    edit_format: Editing = "auto"
    temperature: Temperature | None = None
    max_tokens: Count = 8192
    context_window: Count | None = None
    budget: Limit = Decimal("10.00")
    """US dollars a run; None means unlimited."""
    limits: LimitSettings = Field(default_factory=LimitSettings)
    models: TierSettings = Field(default_factory=TierSettings)
    prices: dict[str, PriceSettings] = Field(default_factory=dict)
    script: Text | None = None
    timeout: Seconds = 120.0
    retries: CountOrNone = 4


class OrchestratorSettings(Value):
    use_multi_agent: Flag = False
    max_iterations: Count = 30
    """Model calls of one attempt."""
    worker_timeout: Seconds = 600.0
    max_workers: Count = 3
    max_attempts: Count = 3
    review: Literal["all", "critical", "none"] = "critical"
    reviewers: OneToFive = 1
    """How many judge a result that is reviewed."""
    plan: PlanMode = PlanMode.AUTO
    max_escalations: CountOrNone = 3
    """Questions to the supervisor per task."""
    max_run_escalations: CountOrNone = 20
    """The same, of all tasks of a run together, the host's own questions included."""
    stronger_attempt: Flag = False
    """Whether a task whose attempts have failed gets a last one by the supervisor's model."""
    footprint: Literal["ask", "refuse"] = "ask"
    worktree_pool: CountOrNone = 0
    """Worktrees kept for the next run of this workspace."""


class AfterEditSettings(Value):
    """A command for files that an agent just changed."""

    glob: Text = "*"
    """Which files; without a slash it is about names in any folder."""
    command: Text
    """For `sh -c`, `{file}` standing for the path."""
    timeout: Seconds = 60.0

    @model_validator(mode="before")
    @classmethod
    def _accept_plain_command(cls, given: Any) -> Any:
        return {"command": given} if isinstance(given, str) else given


def _one_or_more(given: Any) -> Any:
    return [given] if isinstance(given, str | Mapping) else given


class CheckSettings(Value):
    default: Text | None = None
    gate: Texts = ()
    after_edit: Annotated[tuple[AfterEditSettings, ...], BeforeValidator(_one_or_more)] = ()
    timeout: Seconds = 600.0
    independent_tests: Flag = False
    """Whether the tests that a check names must be written by another task than the one that has to pass them."""


class PlanningSettings(Value):
    auto_split: Flag = True
    min_subtasks: Count = 2
    max_subtasks: Count = 8

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_subtasks > self.max_subtasks:
            what = f"min_subtasks ({self.min_subtasks}) is more than max_subtasks ({self.max_subtasks})"
            raise PydanticCustomError(TOGETHER, "{what}", {"what": what})
        return self


class SyncPointSettings(Value):
    auto_detect: Flag = True
    types: Texts = ("types", "schemas", "contracts", "interfaces")


class ConflictSettings(Value):
    mode: Literal["auto_merge", "merge_review", "manual"] = "merge_review"


class CollaborationSettings(Value):
    enabled: Flag = True
    planning: PlanningSettings = Field(default_factory=PlanningSettings)
    sync_points: SyncPointSettings = Field(default_factory=SyncPointSettings)
    conflict_resolution: ConflictSettings = Field(default_factory=ConflictSettings)


class PermissionSettings(Value):
    """Patterns (`*`, `?`, `[...]`) over whole commands; `read(GLOB)` and `write(GLOB)` over paths, `tool(NAME)` over
    tools. Deny beats ask, ask beats allow.
    """

    mode: PermissionMode = PermissionMode.ASK
    answer_within: Seconds = 3600.0
    """How long a question about permission waits before it counts as refused."""
    allow: Texts = ()
    ask: Texts = ()
    deny: Texts = ()


class SandboxLimits(Value):
    """Of one command; 0 is none."""

    processes: CountOrNone = 8192
    """And threads, at a time, where they can be counted for each command."""
    memory_mb: CountOrNone = 0
    """Of one process."""
    file_mb: CountOrNone = 65536
    """Of one file that is written."""
    cpu_seconds: CountOrNone = 0
    """Processor time of one process."""


class SandboxSettings(Value):
    mode: Literal["auto", "bubblewrap", "landlock", "seatbelt", "off"] = "auto"
    read: HostPaths = ()
    """Paths of the host that commands may read besides the usual ones."""
    network: HostNames = ()
    """Hosts that commands of agents may reach, by HTTP and HTTPS."""
    limits: SandboxLimits = Field(default_factory=SandboxLimits)


class ContextSettings(Value):
    map_tokens: CountOrNone = 2000
    """Of the map of the repository; 0: none."""


class Settings(Value):
    """Everything a person can configure."""

    llm: LlmSettings = Field(default_factory=LlmSettings)
    orchestrator: OrchestratorSettings = Field(default_factory=OrchestratorSettings)
    checks: CheckSettings = Field(default_factory=CheckSettings)
    collaboration: CollaborationSettings = Field(default_factory=CollaborationSettings)
    context: ContextSettings = Field(default_factory=ContextSettings)
    permission: PermissionSettings = Field(default_factory=PermissionSettings)
    sandbox: SandboxSettings = Field(default_factory=SandboxSettings)

    def supervisor(self) -> ModelSpec | None:
        """`llm.models.supervisor`, its name from `llm.model` when it has none."""
        tier = self.llm.models.supervisor
        if tier.model is not None:
            return self._spec(tier.model, tier, Tier.STRONG)
        if self.llm.model is not None:
            return self._spec(self.llm.model, tier, Tier.STRONG, provider=tier.provider or self.llm.provider)
        return None

    def worker(self) -> ModelSpec | None:
        """`llm.models.worker`; without a name there, `llm.model`, else what the supervisor is."""
        tier = self.llm.models.worker
        if tier.model is not None:
            return self._spec(tier.model, tier, Tier.WEAK)
        if self.llm.model is not None:
            return self._spec(self.llm.model, tier, Tier.WEAK, provider=tier.provider or self.llm.provider)
        strong = self.llm.models.supervisor
        if strong.model is None:
            return None
        inherited = strong.model_copy(update={**_set_fields(tier), "temperature": tier.temperature})
        return self._spec(strong.model, inherited, Tier.WEAK)

    def single_model(self) -> ModelSpec | None:
        """The one model of single-agent work: `llm.model`, else the worker's, else the supervisor's."""
        if self.llm.model is not None:
            return self._spec(self.llm.model, ModelSettings(), Tier.STRONG, provider=self.llm.provider)
        if self.llm.models.worker.model is not None:
            return self.worker()
        return self.supervisor()

    def untried(self, name: str) -> ModelSpec:
        """A model that is not configured, as it would be called if it were."""
        return self._spec(name, ModelSettings(), Tier.STRONG)

    def worker_note(self) -> str:
        """`same as supervisor` when the worker has no model of its own and therefore is the supervisor's."""
        worker, supervisor = self.worker(), self.supervisor()
        has_own = self.llm.models.worker.model is not None
        is_same = worker is not None and supervisor is not None and worker.name == supervisor.name
        return "same as supervisor" if is_same and not has_own else ""

    def prices(self) -> Mapping[str, Price]:
        """What `llm.prices` says, per model name; it goes before every other price."""
        return {name: Price(**price.model_dump(), source=PRICE_SOURCE) for name, price in self.llm.prices.items()}

    def _spec(self, name: str, tier: ModelSettings, strength: Tier, *, provider: str | None = None) -> ModelSpec:
        llm = self.llm
        full = _full_name(name, provider or tier.provider, inherited=llm.provider)
        temperature = llm.temperature if tier.temperature is None else tier.temperature
        max_tokens = tier.max_tokens or llm.max_tokens
        window = tier.context_window or llm.context_window
        return ModelSpec(
            name=full,
            tier=strength,
            api_base=tier.api_base or llm.api_base,
            api_key_env=tier.api_key_env or llm.api_key_env,
            temperature=temperature,
            max_tokens=max_tokens,
            adapter="scripted" if full.startswith("scripted/") else (tier.adapter or llm.adapter),
            tools=tier.tools or llm.tools,
            images=tier.images or llm.images,
            context_window=window,
            edit_format=tier.edit_format or llm.edit_format,
            fallbacks=tuple(
                ModelSpec(
                    name=other.model,
                    tier=strength,
                    api_base=other.api_base,
                    api_key_env=other.api_key_env,
                    temperature=temperature,
                    max_tokens=max_tokens,
                    adapter="scripted" if other.model.startswith("scripted/") else other.adapter,
                    tools=other.tools,
                    images=other.images,
                )
                for other in tier.fallbacks
            ),
        )


def require_models(settings: Settings, *, multi_agent: bool) -> None:
    """Raises UserError when a model that this kind of work needs is not configured; names the ways to do it."""
    if multi_agent:
        is_configured = settings.supervisor() is not None and settings.worker() is not None
        what = "no supervisor model is configured" if settings.worker() is not None else "no model is configured"
    else:
        is_configured = settings.single_model() is not None
        what = "no model is configured"
    if not is_configured:
        raise UserError(
            what,
            hint=(
                "run `equitrcoder` in a terminal for a proposal that fits your keys, name one with `--model NAME`, or "
                "set `llm.model` in ~/.equitr/config.yaml (`equitrcoder models --discover` lists what is offered)"
            ),
        )


def _full_name(name: str, provider: str | None, *, inherited: str) -> str:
    """A provider given with the model always goes before it; an inherited one only before a name without a prefix."""
    prefix = provider or (inherited if "/" not in name else BY_NAME)
    return name if prefix == BY_NAME or name.startswith(f"{prefix}/") else f"{prefix}/{name}"


def _set_fields(tier: ModelSettings) -> dict[str, Any]:
    return {key: value for key, value in tier.model_dump().items() if value is not None}
