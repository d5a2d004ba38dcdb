"""What a front end may ask to know, and the answers. Closed unions of values; answering changes nothing.

Exceptions that touch the world: `ModelsQuery(discover=True)` asks the endpoint, `ProbeModel` makes one priced call,
`SetTrust`, `WriteConfig` write the user's own files, `VerifyQuery` runs checks and `PruneQuery(delete=True)` deletes.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from equitr_coder.domain.code_map import CodeMap
from equitr_coder.domain.escalations import EscalationRow
from equitr_coder.domain.forecasts import Forecast
from equitr_coder.domain.ids import CommitId, EpicId, RequestId, RunId, TaskId
from equitr_coder.domain.metrics import RunMetrics
from equitr_coder.domain.models import ModelInfo
from equitr_coder.domain.money import ZERO, Price, Usage
from equitr_coder.domain.run_view import LedgerRow
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.domain.value import Value


class ConfigQuery(Value):
    type: Literal["config"] = "config"


class ModelsQuery(Value):
    type: Literal["models"] = "models"
    discover: bool = False


class DoctorQuery(Value):
    type: Literal["doctor"] = "doctor"


class RunsQuery(Value):
    type: Literal["runs"] = "runs"
    unfinished_only: bool = False


class CostQuery(Value):
    type: Literal["cost"] = "cost"
    run: str | None = None
    """A run id, an unambiguous beginning of one, or an epic id; None: every run of this workspace."""


class MetricsQuery(Value):
    """Where the time of one run went; from its log alone."""

    type: Literal["metrics"] = "metrics"
    run: str | None = None
    """A run id, an unambiguous beginning of one, or an epic id; None: the newest run of this workspace."""


class EscalationsQuery(Value):
    type: Literal["escalations"] = "escalations"
    run: str | None = None
    """As in `CostQuery`."""


class DiffQuery(Value):
    """What a run changed: in the checkout for a chat, against the base commit otherwise."""

    type: Literal["diff"] = "diff"
    run: RunId
    state: int | None = None
    """Of a chat: only what the step that led to this state changed."""


class ConflictQuery(Value):
    """One conflict of a run, with the files as they lie before whoever resolves it."""

    type: Literal["conflict"] = "conflict"
    run: RunId
    conflict: RequestId


class FilesQuery(Value):
    """Files of the checkout that git would track; for completion."""

    type: Literal["files"] = "files"


class MapQuery(Value):
    """The definitions of the checkout that matter most for a request; without one, of all."""

    type: Literal["map"] = "map"
    request: str = ""
    tokens: int | None = None
    """Most of its text; None: as configured."""


class ProposalQuery(Value):
    """Which supervisor and worker the keys in the environment allow, for a first configuration."""

    type: Literal["proposal"] = "proposal"


class TrustQuery(Value):
    type: Literal["trust_state"] = "trust_state"


class SetTrust(Value):
    """Accept this workspace's `.equitr/` as it is now, by content hash; or withdraw it."""

    type: Literal["set_trust"] = "set_trust"
    trusted: bool = True
    content_hash: str | None = None
    """Trust only this content: what was shown."""


class ProbeModel(Value):
    """One small priced call to the given model."""

    type: Literal["probe_model"] = "probe_model"
    model: str


class VerifyQuery(Value):
    """Run the checks of a run's receipts again, each on a clean checkout of its tree."""

    type: Literal["verify"] = "verify"
    run: str
    """A run id, an unambiguous beginning of one, or an epic id."""
    task: str | None = None


class PruneQuery(Value):
    """What finished runs have left in git and on disk; with `delete` it goes."""

    type: Literal["prune"] = "prune"
    run: str | None = None
    delete: bool = False


class WriteConfig(Value):
    """Write the user's configuration file; `text` is the whole YAML."""

    type: Literal["write_config"] = "write_config"
    text: str


Query = Annotated[
    ConfigQuery
    | ModelsQuery
    | DoctorQuery
    | RunsQuery
    | CostQuery
    | MetricsQuery
    | EscalationsQuery
    | DiffQuery
    | ConflictQuery
    | FilesQuery
    | MapQuery
    | ProposalQuery
    | TrustQuery
    | SetTrust
    | ProbeModel
    | VerifyQuery
    | PruneQuery
    | WriteConfig,
    Field(discriminator="type"),
]


class ConfigEntry(Value):
    key: str
    value: str
    """As YAML would write it; secrets masked."""
    source: str
    """`default`, `user PATH:LINE`, `project PATH:LINE`, `environment NAME`, `flag --NAME`, or
    `ignored: untrusted PATH`.
    """
    note: str = ""


class ConfigAnswer(Value):
    type: Literal["config"] = "config"
    entries: tuple[ConfigEntry, ...]
    warnings: tuple[str, ...] = ()


class ConfiguredModel(Value):
    role: Literal["single", "supervisor", "worker"]
    name: str | None
    note: str = ""
    """For example `same as supervisor`."""
    provider: str = ""
    endpoint: str = ""
    key: str = ""
    """Where the key comes from and whether it is there: `OPENAI_API_KEY is set`; never the key."""
    price: Price | None = None


class ModelsAnswer(Value):
    type: Literal["models"] = "models"
    configured: tuple[ConfiguredModel, ...]
    discovered: tuple[ModelInfo, ...] = ()
    endpoint: str = ""


class Finding(Value):
    """One line of the doctor."""

    name: str
    state: Literal["ok", "warn", "bad"]
    detail: str
    fix: str = ""


class DoctorAnswer(Value):
    type: Literal["doctor"] = "doctor"
    findings: tuple[Finding, ...]


class RunSummary(Value):
    """One row of the list of runs."""

    run: RunId
    kind: RunKind
    epic: EpicId | None
    title: str
    state: RunState
    phase: str
    """`planning`, `awaiting approval`, `working`, or the final state."""
    done: int
    tasks: int
    usd: Decimal
    budget: Decimal | None
    started: datetime
    last: datetime
    alive: bool
    """Whether a process owns it now."""

    @property
    def is_broken_off(self) -> bool:
        """Its process is gone, and had no time to end or pause it."""
        return not (self.alive or self.state.is_final or self.state is RunState.PAUSED)


class RunsAnswer(Value):
    type: Literal["runs"] = "runs"
    runs: tuple[RunSummary, ...]
    unreadable: tuple[RunId, ...] = ()
    """Runs whose log is damaged, or of a newer version."""


class CostRow(Value):
    """Settled calls of one group."""

    name: str
    calls: int
    usage: Usage
    usd: Decimal
    is_unpriced: bool = False
    """Some of these calls have no known price: `usd` is less than the truth."""


class CostUse(Value):
    """Who used a model for what, and what that cost."""

    model: str
    agent: str
    purpose: str
    calls: int
    usd: Decimal

    @property
    def name(self) -> str:
        return f"{self.model} / {self.agent} / {self.purpose}"


class RunCost(Value):
    """One run's money, and how its forecast did."""

    run: RunId
    epic: EpicId | None
    title: str
    kind: RunKind
    state: RunState
    started: datetime | None
    usd: Decimal
    held: Decimal
    limit: Decimal | None
    calls: int
    is_unpriced: bool = False
    forecast: Forecast | None = None
    """As the approved plan was submitted with; None for a run without one."""
    built_for: Decimal = ZERO
    """What the forecast foresaw: everything but planning."""


class CostAnswer(Value):
    type: Literal["cost"] = "cost"
    total: Decimal
    held: Decimal
    limit: Decimal | None
    """Of the one run that was asked for; None when it has none, and for several runs."""
    by_model: tuple[CostRow, ...]
    by_agent: tuple[CostRow, ...]
    by_purpose: tuple[CostRow, ...]
    by_task: tuple[CostRow, ...]
    """Of several runs a task is named `epic-001/T1`; `-` is what belongs to no task."""
    by_day: tuple[CostRow, ...] = ()
    """UTC days, in order."""
    top: tuple[CostUse, ...] = ()
    """The dearest uses of models."""
    runs: tuple[RunCost, ...] = ()
    """The runs that were asked for, newest first."""
    calls: tuple[LedgerRow, ...] = ()
    """Every call in the order of time, open ones included."""
    is_one_run: bool = True
    """Whether one run was asked for."""
    unreadable: tuple[RunId, ...] = ()
    """Runs whose log is damaged, or of a newer version: not in any figure."""


class ConflictAnswer(Value):
    type: Literal["conflict_answer"] = "conflict_answer"
    ours: str = ""
    """What has landed did to the files of the conflict, as a diff; `theirs` is what was handed in."""
    theirs: str = ""
    merged: str = ""
    """The proposed merge, or the files with their markers, as a diff to what has landed."""


class MetricsAnswer(Value):
    type: Literal["metrics"] = "metrics"
    metrics: RunMetrics


class EscalationsAnswer(Value):
    type: Literal["escalations"] = "escalations"
    rows: tuple[EscalationRow, ...]
    """Runs newest first; of a run in the order in which they were asked."""
    unreadable: tuple[RunId, ...] = ()
    """Runs whose log is damaged, or of a newer version."""


class DiffAnswer(Value):
    type: Literal["diff"] = "diff"
    text: str
    """Unified diff."""


class MapAnswer(Value):
    type: Literal["map"] = "map"
    map: CodeMap


class FilesAnswer(Value):
    type: Literal["files"] = "files"
    files: tuple[str, ...]


class Proposal(Value):
    """A dated pair from `config/presets/`, usable with a key that is there."""

    preset: str
    date: str
    supervisor: str
    worker: str
    supervisor_price: Price | None
    worker_price: Price | None
    key: str
    """Name of the variable that holds the key."""
    budget: Decimal
    yaml: str
    """The configuration file that would be written."""


class ProposalAnswer(Value):
    type: Literal["proposal"] = "proposal"
    configured: bool
    """Whether a model is configured already."""
    proposals: tuple[Proposal, ...]
    looked_for: tuple[str, ...]
    """The variables that were looked for."""


class TrustAnswer(Value):
    type: Literal["trust_state"] = "trust_state"
    present: bool
    trusted: bool
    changed: bool
    """Trusted once, but the content is different now."""
    files: tuple[str, ...] = ()
    content_hash: str = ""
    diff: str = ""
    """Unified, from what was trusted to what is there (or has just been accepted); everything when nothing was."""


class ProbeAnswer(Value):
    type: Literal["probe"] = "probe"
    ok: bool
    text: str
    usd: Decimal
    latency_ms: int


class CheckedAgain(Value):
    """One check of a receipt, run again."""

    task: TaskId
    command: str
    commit: CommitId
    was: int
    """Exit code in the receipt."""
    exit_code: int | None = None
    """None when it could not be run."""
    is_green: bool = False
    duration_ms: int = 0
    tests: int | None = None
    differs: tuple[str, ...] = ()
    """What is other than in the receipt, in words; some of it may be of no consequence."""
    output_tail: str = ""


class VerifyAnswer(Value):
    type: Literal["verify"] = "verify"
    run: RunId
    epic: EpicId | None = None
    checks: tuple[CheckedAgain, ...]
    without: tuple[TaskId, ...] = ()
    """Tasks that have no receipt."""

    @property
    def is_green(self) -> bool:
        return bool(self.checks) and all(check.is_green for check in self.checks)


class LostCommit(Value):
    commit: CommitId
    subject: str


class Prunable(Value):
    """What one finished run has left."""

    run: RunId
    epic: EpicId | None
    state: RunState
    refs: tuple[str, ...]
    worktrees: tuple[str, ...]
    lost: tuple[LostCommit, ...]
    """Commits that nothing else keeps, newest first."""


class SparedRun(Value):
    run: RunId
    epic: EpicId | None
    why: str
    refs: int


class PruneAnswer(Value):
    type: Literal["prune"] = "prune"
    runs: tuple[Prunable, ...]
    spared: tuple[SparedRun, ...] = ()
    size: int | None = None
    """Bytes in git that nothing else keeps."""
    deleted: bool = False


class Written(Value):
    type: Literal["written"] = "written"
    path: str


Answer = Annotated[
    ConfigAnswer
    | ModelsAnswer
    | DoctorAnswer
    | RunsAnswer
    | CostAnswer
    | MetricsAnswer
    | EscalationsAnswer
    | DiffAnswer
    | ConflictAnswer
    | FilesAnswer
    | MapAnswer
    | ProposalAnswer
    | TrustAnswer
    | ProbeAnswer
    | VerifyAnswer
    | PruneAnswer
    | Written,
    Field(discriminator="type"),
]
