"""What a front end may ask to know, and the answers. Closed unions of values; answering changes nothing.

Exceptions that touch the world: `ModelsQuery(discover=True)` asks the endpoint, `ProbeModel` makes one priced call,
`SetTrust`, `WriteConfig`, `SetConfig`, `SetKey`, `RemoveKey`, `RotateMaster` write the user's own files, `TestKey`
asks a provider, `VerifyQuery` and `ReplayQuery` run commands in worktrees of their own, `PruneQuery(delete=True)` and
`UninstallQuery(delete=True)` delete. No answer holds a key.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from equitr_coder.domain.approvals import Decision, PermissionMode
from equitr_coder.domain.audit import AuditFault, AuditRow, VerifiedChain
from equitr_coder.domain.code_map import CodeMap
from equitr_coder.domain.escalations import EscalationRow
from equitr_coder.domain.forecasts import Forecast
from equitr_coder.domain.ids import AgentName, CommitId, EpicId, RequestId, RunId, TaskId
from equitr_coder.domain.metrics import RunMetrics
from equitr_coder.domain.models import ModelInfo
from equitr_coder.domain.money import ZERO, Price, Usage
from equitr_coder.domain.receipts import Receipt
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
    everywhere: bool = False
    """Of every workspace that the user's folder knows, not only of this one."""


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


class AuditQuery(Value):
    """Who did what. Of one run, of this workspace, or of every workspace; narrowed by what is given."""

    type: Literal["audit"] = "audit"
    run: str | None = None
    """As in `CostQuery`."""
    everywhere: bool = False
    agent: str | None = None
    tool: str | None = None
    task: str | None = None
    since: datetime | None = None


class AuditVerifyQuery(Value):
    """Follow the hash chains of the log, in one run or in all of this workspace (`everywhere`: of the store)."""

    type: Literal["audit_verify"] = "audit_verify"
    run: str | None = None
    everywhere: bool = False
    head: str | None = None
    """A link of the run's chain, in hex, that was noted down before."""


class DiffQuery(Value):
    """What a run changed: in the checkout for a chat, against the base commit otherwise."""

    type: Literal["diff"] = "diff"
    run: RunId
    state: int | None = None
    """Of a chat: only what the step that led to this state changed."""
    task: TaskId | None = None
    """Of an epic: only what this task changed, as it landed or as its worktree last stood."""


class ConflictQuery(Value):
    """One conflict of a run, with the files as they lie before whoever resolves it."""

    type: Literal["conflict"] = "conflict"
    run: RunId
    conflict: RequestId


class FilesQuery(Value):
    """Files of the checkout that git would track; for completion."""

    type: Literal["files"] = "files"


class CheckoutQuery(Value):
    """Where the workspace stands in git; for status lines."""

    type: Literal["checkout"] = "checkout"


class MapQuery(Value):
    """The definitions of the checkout that matter most for a request; without one, of all."""

    type: Literal["map"] = "map"
    request: str = ""
    tokens: int | None = None
    """Most of its text; None: as configured."""


class ProposalQuery(Value):
    """Which supervisor and worker the keys in the environment allow, for a first configuration."""

    type: Literal["proposal"] = "proposal"


class PolicyQuery(Value):
    """What the policy of a chat in this workspace says of a call, and by which rule."""

    type: Literal["policy"] = "policy"
    tool: str
    input: str
    """The command of `run_command`; of tools that read or write files a path; of others it does not matter."""
    mode: PermissionMode | None = None
    """None: as configured."""


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


class ReplayQuery(Value):
    """Build an epic again from its log, without a model, and compare."""

    type: Literal["replay"] = "replay"
    run: str
    """As in `VerifyQuery`."""


class WhyQuery(Value):
    """Why a line of a file in the checkout is there."""

    type: Literal["why"] = "why"
    path: str
    """Relative to the root of the checkout."""
    line: int


class PruneQuery(Value):
    """What finished runs have left in git and on disk, and with `logs` what is known of them; with `delete` it goes."""

    type: Literal["prune"] = "prune"
    run: str | None = None
    before: datetime | None = None
    """Only runs that ended before."""
    keep: int | None = None
    """The newest so many finished runs are left alone."""
    logs: bool = False
    delete: bool = False


class UninstallQuery(Value):
    """What there is of the product on this machine besides itself; with `delete` it goes."""

    type: Literal["uninstall"] = "uninstall"
    delete: bool = False


class WriteConfig(Value):
    """Write the user's configuration file; `text` is the whole YAML."""

    type: Literal["write_config"] = "write_config"
    text: str


class KeysQuery(Value):
    """Which keys there are and where each comes from."""

    type: Literal["keys"] = "keys"


class KeyNameQuery(Value):
    """Which variable a person means, who may have named a provider.

    Raises:
        UserError: no key can be called so.
    """

    type: Literal["key_name"] = "key_name"
    name: str


class UnlockKeys(Value):
    """Open the key store now if a configured model needs a key from it, or no model is configured yet: later there
    may be nobody to ask.
    """

    type: Literal["unlock_keys"] = "unlock_keys"


class SetKey(Value):
    """Put a key into the store. `name` is a variable's or a provider's.

    Raises:
        UserError: no key can be called so, the value is none, or the store takes nothing.
    """

    type: Literal["set_key"] = "set_key"
    name: str
    value: SecretStr
    replaces: bool = False
    """A rotation: the name has to be there, and a key that the provider refuses is not taken."""


class RemoveKey(Value):
    type: Literal["remove_key"] = "remove_key"
    name: str


class RotateMaster(Value):
    """Encrypt every stored key anew. The person is asked for what encrypts them, unless the environment holds it."""

    type: Literal["rotate_master"] = "rotate_master"


class TestKey(Value):
    """Ask the provider of a key whether it takes it. Nothing is generated, nothing is billed."""

    __test__ = False  # no test of pytest's

    type: Literal["test_key"] = "test_key"
    name: str


class SetConfig(Value):
    """Change one key of the user's configuration file and leave the rest of it, comments included, as it is. What it
    says counts from the next start.

    Raises:
        UserError: there is no such key, the value is wrong, or the file cannot be changed in this one place.
    """

    type: Literal["set_config"] = "set_config"
    key: str
    """Dotted, as `config-cmd` shows it."""
    value: str | None
    """As one would write it in the file, on one line; None takes the key out of the file."""


Query = Annotated[
    ConfigQuery
    | ModelsQuery
    | DoctorQuery
    | RunsQuery
    | CostQuery
    | MetricsQuery
    | EscalationsQuery
    | AuditQuery
    | AuditVerifyQuery
    | DiffQuery
    | ConflictQuery
    | FilesQuery
    | CheckoutQuery
    | MapQuery
    | ProposalQuery
    | PolicyQuery
    | TrustQuery
    | SetTrust
    | ProbeModel
    | VerifyQuery
    | ReplayQuery
    | WhyQuery
    | PruneQuery
    | UninstallQuery
    | WriteConfig
    | KeysQuery
    | KeyNameQuery
    | UnlockKeys
    | SetKey
    | RemoveKey
    | RotateMaster
    | TestKey
    | SetConfig,
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
    info: ModelInfo | None = None
    """What the price table knows of it besides."""
    context_window: int | None = None
    """Tokens that it reads and writes in one call, as configured or as the data file says; None: not known here."""


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
    workspace: str = ""
    """Absolute path of the checkout."""

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


class RunMoney(Value):
    """All that the cost of a run is told from: its part of a log of many runs."""

    cost: RunCost
    calls: tuple[LedgerRow, ...] = ()


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


class AuditAnswer(Value):
    type: Literal["audit"] = "audit"
    rows: tuple[AuditRow, ...]
    """Runs oldest first; of a run in the order in which things began."""
    unreadable: tuple[RunId, ...] = ()
    """Runs whose log is damaged, or of a newer version."""


class AuditVerifyAnswer(Value):
    type: Literal["audit_verify"] = "audit_verify"
    chains: tuple[VerifiedChain, ...]
    index: tuple[AuditFault, ...] = ()
    """What is wrong with the list of runs itself."""

    @property
    def is_whole(self) -> bool:
        return not self.index and not any(chain.faults for chain in self.chains)


class DiffAnswer(Value):
    type: Literal["diff"] = "diff"
    text: str
    """Unified diff."""


class MapAnswer(Value):
    type: Literal["map"] = "map"
    map: CodeMap


class CheckoutAnswer(Value):
    type: Literal["checkout_answer"] = "checkout_answer"
    root: str
    branch: str | None
    """None when HEAD is detached, or there is no repository yet."""
    is_repository: bool
    is_clean: bool
    """No tracked file has uncommitted changes."""


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


class PolicyAnswer(Value):
    type: Literal["policy"] = "policy"
    decision: Decision
    source: str
    """Where the rule or the mode that decided is set, as in `ConfigEntry`; empty for a guard of the product's."""
    mode: PermissionMode
    confinement: str
    """How commands run here, in words."""


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


class ReplayDifference(Value):
    """The first thing that came out otherwise. `seq` is the record that tells what it was."""

    seq: int
    what: str
    was: str
    now: str


class ReplayAnswer(Value):
    """How much was compared, and the first difference."""

    type: Literal["replay"] = "replay"
    run: RunId
    epic: EpicId | None
    steps: int
    """Tool calls of workers."""
    edits: int
    """Those that were made again by the tools."""
    commands: int
    """Those whose result was taken from the log."""
    commands_again: int
    """Those that ran again, because git no longer has what they left."""
    commits: int
    """Made again: the documents, hand-ins, merges, ticks."""
    taken: int
    """Trees that were taken as the log names them: what commands changed, and conflicts that somebody settled."""
    calls: int
    usd: Decimal
    tip: CommitId | None
    difference: ReplayDifference | None = None


class WhyAnswer(Value):
    """What is known of a line, from the commit that holds it and the log of the run that made it."""

    type: Literal["why"] = "why"
    path: str
    line: int
    text: str
    commit: CommitId | None
    """None when the line is not committed."""
    author: str = ""
    by: Literal["task", "chat", "host", "person"]
    """`host`: a planning document. `person`: no run of this workspace is known to have written it."""
    run: RunId | None = None
    epic: EpicId | None = None
    request: str = ""
    task: TaskId | None = None
    attempt: int = 0
    title: str = ""
    covers: tuple[str, ...] = ()
    """The requirements that the task fulfils, in their words."""
    seq: int | None = None
    """Of the tool call that wrote it, in the log of the run."""
    agent: AgentName | None = None
    tool: str = ""
    model: str = ""
    call_usd: Decimal | None = None
    """Of the model call that asked for it."""
    task_usd: Decimal | None = None
    """Of the whole task, or of the whole chat."""
    said: str = ""
    """The model's words with the call."""
    prompt: str = ""
    """The last message that it had been given by a person or the host."""
    receipt: Receipt | None = None


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
    records: int = 0
    """Of its log, when that goes too."""


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


class UninstalledWorkspace(Value):
    """A workspace that runs were made in."""

    path: str
    worktrees: tuple[str, ...]
    refs: tuple[str, ...]
    branches: tuple[str, ...]
    """Ours by name; they stay."""
    note: str = ""
    """Why git was not asked there."""


class UninstalledState(Value):
    path: str
    size: int
    """Bytes."""


class UninstallAnswer(Value):
    type: Literal["uninstall"] = "uninstall"
    home: str
    workspaces: tuple[UninstalledWorkspace, ...]
    state: tuple[UninstalledState, ...]
    left: tuple[str, ...]
    """Files of the person's own that stay."""
    deleted: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.state and not any(place.worktrees or place.refs for place in self.workspaces)


class Written(Value):
    type: Literal["written"] = "written"
    path: str


class KeyRow(Value):
    """One key, without the key."""

    name: str
    """Of the variable that holds it, or would."""
    source: Literal["environment", "keyring", "file"]
    place: str
    """Where it lies, in words."""
    providers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    """Configured models that are called with it."""
    changed: datetime | None = None
    """When it was stored."""
    is_hidden: bool = False
    """Stored, but the environment holds another of this name, which comes first."""


class KeysAnswer(Value):
    type: Literal["keys"] = "keys"
    keys: tuple[KeyRow, ...]
    place: str
    """Where stored keys lie or would lie, and how they are protected."""
    missing: tuple[str, ...] = ()
    """What configured models need and is nowhere."""


class KeyNamed(Value):
    type: Literal["key_named"] = "key_named"
    name: str
    """Of the variable."""
    is_stored: bool


class KeyTested(Value):
    type: Literal["key_tested"] = "key_tested"
    name: str
    outcome: Literal["ok", "refused", "unreachable", "untestable"]
    text: str
    hint: str = ""
    endpoint: str = ""


class KeyChanged(Value):
    """A key, or with an empty name the master of all, is as it was asked to be."""

    type: Literal["key_changed"] = "key_changed"
    name: str
    place: str
    tested: KeyTested | None = None
    """Of a rotation: what the provider said of the new key."""
    is_hidden: bool = False
    """The environment holds another of this name, which comes first."""
    is_by_variable: bool = False
    """Of a new master: it is what `EQUITR_NEW_MASTER_KEY` holds."""


Answer = Annotated[
    ConfigAnswer
    | ModelsAnswer
    | DoctorAnswer
    | RunsAnswer
    | CostAnswer
    | MetricsAnswer
    | EscalationsAnswer
    | AuditAnswer
    | AuditVerifyAnswer
    | DiffAnswer
    | ConflictAnswer
    | FilesAnswer
    | CheckoutAnswer
    | MapAnswer
    | ProposalAnswer
    | PolicyAnswer
    | TrustAnswer
    | ProbeAnswer
    | VerifyAnswer
    | ReplayAnswer
    | WhyAnswer
    | PruneAnswer
    | UninstallAnswer
    | Written
    | KeysAnswer
    | KeyNamed
    | KeyTested
    | KeyChanged,
    Field(discriminator="type"),
]
