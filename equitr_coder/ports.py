"""What one part may ask of another. Protocols and the small values that cross them; no behaviour."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeVar, assert_never

from equitr_coder.domain.approvals import Approval, ApprovalAnswer, Decision, Touches
from equitr_coder.domain.artifacts import Artifact
from equitr_coder.domain.audit import AuditFault, VerifiedChain
from equitr_coder.domain.code_map import CodeMap
from equitr_coder.domain.commands import Command
from equitr_coder.domain.epic import ArtifactType, Plan
from equitr_coder.domain.errors import ModelError
from equitr_coder.domain.events import EscalationTrigger, Event
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, CallId, CommitId, RequestId, RunId, SessionId, TaskId, TreeId
from equitr_coder.domain.images import Image
from equitr_coder.domain.models import (
    Delta,
    ModelInfo,
    ModelRequest,
    ModelSpec,
    Purpose,
    RateLimits,
    Reply,
    Tier,
    ToolSpec,
)
from equitr_coder.domain.money import Price, Usage
from equitr_coder.domain.queries import Answer, Query
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.strengths import Candidate
from equitr_coder.domain.tools import ToolEnd as ToolEnd  # noqa: PLC0414 - part of this contract
from equitr_coder.domain.value import Value

_Value = TypeVar("_Value", bound=Value)

# ---------------------------------------------------------------- the door


@frozen
class ShownDelta:
    """Text as it streams. Lossy, not stored, no sequence number."""

    run: RunId
    session: SessionId
    agent: AgentName
    task: TaskId | None
    text: str


class RunApi(Protocol):
    """The one door: commands in, events out. Every front end, local or remote, uses only this."""

    async def submit(self, command: Command) -> RunId:
        """Take a command; returns the run it concerns. Returns when the command is accepted, not when it is done.

        Raises:
            UserError: the command makes no sense now; says why and what to do.
        """
        ...

    def events(self, run: RunId, *, after: int = 0, deltas: bool = False) -> AsyncIterator[Event | ShownDelta]:
        """Every stored event of the run with `seq` greater than `after`, in order, then new ones as they come.

        Ends after the event that ends or pauses the run. A slow reader loses no event, only deltas.
        """
        ...

    async def view(self, run: RunId) -> RunView: ...

    async def runs(self, *, unfinished_only: bool = False) -> Sequence[RunView]:
        """Runs of this workspace, newest first."""
        ...

    async def query(self, query: Query) -> Answer: ...


# ---------------------------------------------------------------- models and money


class ModelClient(Protocol):
    """Speaks to providers."""

    def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Reply]:
        """Send one request. Yields deltas, and last exactly one `Reply`. Never retries by itself.

        Cancelling the consuming task closes the connection.

        Raises:
            ModelError: with the kind, and `retry_after` when the provider named one.
        """
        ...

    async def close(self) -> None: ...


class ModelCatalog(Protocol):
    async def discover(self, spec: ModelSpec) -> Sequence[ModelInfo]:
        """What the endpoint of `spec` offers.

        Raises:
            ModelError: it cannot be reached, or refused.
        """
        ...

    def provider(self, spec: ModelSpec) -> str:
        """`openai`, `anthropic`, ... for names, hints and keys.

        Raises:
            UserError: the prefix is unknown and there is no `api_base`.
        """
        ...

    def endpoint(self, spec: ModelSpec) -> str:
        """URL the model is called at, or a word when the adapter decides."""
        ...

    def key_variable(self, spec: ModelSpec) -> str | None:
        """Name of the environment variable that holds the key; None when none is needed."""
        ...

    def lane(self, spec: ModelSpec) -> "Lane":
        """What calls of this model share with others."""
        ...


class ContextWindows(Protocol):
    async def window(self, spec: ModelSpec) -> int | None:
        """Tokens that the model reads and writes in one call; None when nobody says. Never raises for a provider that
        cannot be asked.
        """
        ...


class PriceBook(Protocol):
    def price(self, model: str) -> Price | None:
        """None means unknown, which is never 0."""
        ...

    def info(self, model: str) -> ModelInfo | None: ...


class TokenCounter(Protocol):
    def upper_bound(self, request: ModelRequest) -> int:
        """Input tokens the request cannot exceed, cheaply (by byte length)."""
        ...

    def tighter_bound(self, request: ModelRequest) -> int:
        """The same by a tokenizer, with a margin where the model's own is not known; slower on first use."""
        ...


@frozen
class Account:
    """Where a call is charged: the run, then the task, then the agent's session. The tightest limit wins."""

    run: RunId
    task: TaskId | None
    session: SessionId


@frozen
class Reservation:
    """Money held for one call. `max_tokens` may be less than asked, shrunk to what is left."""

    call: CallId
    account: Account
    model: str
    usd: Decimal
    input_bound: int
    max_tokens: int
    price: Price | None


class BudgetGate(Protocol):
    """The wall. One per run; all agents of the run share it."""

    async def reserve(self, account: Account, request: ModelRequest) -> Reservation:
        """Hold the worst case of `request`. Waits while only other calls' holds are in the way.

        Raises:
            BudgetRefused: it can never fit. Nothing is held.
            UserError: the price is unknown and a limit is set; the hint is the exact configuration line.
        """
        ...

    def settle(self, reservation: Reservation, usage: Usage) -> tuple[Decimal, Sequence[Event]]:
        """Replace the hold by the real cost; returns it, and any warning events to record with it."""
        ...

    def charge(self, reservation: Reservation) -> Decimal:
        """The call's fate is unknown: the hold becomes spent. Returns the amount."""
        ...

    def release(self, reservation: Reservation) -> None:
        """The call certainly cost nothing: the hold is gone. Safe to call twice, and after `settle`."""
        ...

    def left(self, account: Account) -> tuple[Decimal, Decimal] | None:
        """What the tightest limit on the account's path leaves beside settled and held money, and that limit; None
        without limits.
        """
        ...

    def raise_limit(self, limit: Decimal) -> None:
        """From now on the run may cost this much; calls that waited for others' holds may go."""
        ...

    @property
    def limit(self) -> Decimal | None: ...

    @property
    def spent(self) -> Decimal: ...

    @property
    def held(self) -> Decimal: ...


# ---------------------------------------------------------------- events


@frozen
class Lane:
    """What calls of one provider credential share. Calls of different lanes never wait for each other."""

    name: str
    """Names provider, endpoint and credential; holds no part of the key."""
    provider: str = ""
    caches_prefixes: bool = False
    """Whether the provider is known to cache prefixes by itself or by our marks; never for custom endpoints."""


class Slot(Protocol):
    """One call's place in its lane."""

    def has_begun(self) -> None:
        """The first piece of the answer is here: others with the same prefix may go."""
        ...

    def answered(self, limits: RateLimits | None) -> None:
        """The call was answered. `limits` is what the headers said."""
        ...

    def refused(self, error: ModelError) -> None:
        """The provider failed; rate limits and overload slow the whole lane down."""
        ...


class Limiter(Protocol):
    """Paces the calls of all agents of the process, one lane per provider credential."""

    def slot(
        self,
        request: ModelRequest,
        *,
        on_wait: Callable[[float, Literal["rate_limited", "paced", "shared_prefix"]], Awaitable[None]],
    ) -> AbstractAsyncContextManager[Slot]:
        """Wait for this call's turn and keep its place until the context ends. `on_wait` is told once, before a wait
        of at least a second, how many seconds it may take and why. Cancelling ends the wait at once.
        """
        ...


class EventSink(Protocol):
    """Where a run's parts put what happens."""

    async def record(self, *events: Event) -> None:
        """Put the events into the view at once, and store them as one transaction, durable when this returns; then fan
        them out. Order is kept.

        Raises:
            UserError: the store does not take them; they come before whatever it takes next.
        """
        ...

    def note(self, *events: Event) -> None:
        """As `record`, and nobody waits: whoever records next waits for these as well. Not for what has to be on the
        disk before the next thing is done (decision 0028). What goes wrong is told to who records next.
        """
        ...

    async def flush(self) -> None:
        """What was noted is on the disk when this returns. Raises as `record`."""
        ...

    def show(self, session: SessionId, agent: AgentName, task: TaskId | None, text: str) -> None:
        """Fan out streamed text; lossy."""
        ...

    @property
    def view(self) -> RunView:
        """The fold of everything recorded and noted so far, on the disk or on its way there. Read only."""
        ...


class EventGate(EventSink, Protocol):
    """A sink where what is recorded may depend on what has been recorded until that very moment."""

    async def record_made(self, make: Callable[[RunView], Sequence[Event]]) -> bool:
        """Record what `make` says of the view as it is; False when that is nothing."""
        ...


@frozen
class RunRow:
    """Index entry of a run."""

    run: RunId
    workspace: str
    epic_number: int | None
    created: datetime


class Written(NamedTuple):
    """An event, and the JSON text of it that is stored."""

    event: Event
    body: str

    @classmethod
    def of(cls, event: Event) -> Self:
        """Raises ValueError when it cannot be written."""
        return cls(event, event.model_dump_json(exclude_none=True))


class Unstored(Protocol):
    """Events on their way to the log. The store calls these, in its own thread."""

    def take(self) -> Sequence[Sequence[Written]]:
        """All that has come and was not taken, in order; what was entered together is one batch."""
        ...

    def put_back(self, batches: Sequence[Sequence[Written]]) -> None:
        """What was taken last and is not stored is in front again."""
        ...

    def have_stored(self, batches: Sequence[Sequence[Written]]) -> None:
        """It is durable."""
        ...


class EventStore(Protocol):
    """Append-only. One process writes a run; any may read."""

    async def create_run(self, run: RunId, workspace: str, *, with_epic: bool, above: int = 0) -> int | None:
        """Register a run; returns its epic number in this workspace, greater than `above`, when `with_epic`."""
        ...

    def append(self, unstored: Unstored) -> asyncio.Future[None]:
        """What waits there when the store comes to it: all or none, in this order, durable (fsync) when it says so. It
        is asked for by the call itself. Of several calls each takes what came since the one before. Awaited, it raises
        UserError when the disk is full or the store cannot be written: nothing is stored then, and all of it waits
        again. Who cancels it may find it done or not.
        """
        ...

    async def read(self, run: RunId, *, after: int = 0, transcripts: bool = True) -> Sequence[Event]:
        """In order. Without `transcripts` messages and tool results are left out: enough for lists and money.

        Raises:
            UserError: an event is damaged, or of a newer version; names the run.
        """
        ...

    def pages(self, run: RunId) -> AsyncIterator[Sequence[Event]]:
        """All of them in order, a few hundred at a time, so that no log is in memory as a whole.

        Raises:
            UserError: as `read`, when the damaged page is reached.
        """
        ...

    async def runs(self, workspace: str | None = None) -> Sequence[RunRow]:
        """Newest first."""
        ...

    async def verify(
        self, run: RunId | None = None, *, pin: str | None = None
    ) -> tuple[Sequence[VerifiedChain], Sequence[AuditFault]]:
        """Follow the hash chain of one run, or of all; and what is wrong with the list of runs itself. `pin` is the
        link of a record, in hex, that the run is known to have had.
        """
        ...

    async def summaries(self, kind: str) -> Mapping[RunId, str]:
        """What was kept of runs whose log has not grown since. A cache: it proves nothing."""
        ...

    async def keep_summaries(self, kind: str, summaries: Mapping[RunId, tuple[int, str]]) -> None:
        """Of runs with so many records; `kind` names the form of the text. What cannot be kept is made again."""
        ...

    async def bury(self, runs: Sequence[RunId], why: str) -> int:
        """Delete the logs of runs for good, and outputs that no other log names; their tombstones tell the number of
        records and the last link. Returns the bytes of the outputs. The caller owns the runs.
        """
        ...

    async def put_blob(self, data: bytes) -> str:
        """Keep bytes under their SHA-256, durable when it returns."""
        ...

    async def get_blob(self, digest: str) -> bytes | None:
        """By the whole digest, or by an unambiguous beginning of at least 12 hex digits."""
        ...

    async def write_journal(self, key: str, body: Mapping[str, Any]) -> None:
        """Put (or replace) an open intent, durable when it returns. Keys: `landing:RUN`."""
        ...

    async def clear_journal(self, key: str) -> None: ...

    async def open_journals(self, prefix: str) -> Mapping[str, Mapping[str, Any]]: ...

    def lock_run(self, run: RunId) -> AbstractAsyncContextManager[None]:
        """Own the run while the context is open; the kernel frees it when the process dies.

        Raises:
            UserError: another process owns it; names its pid.
        """
        ...

    def is_owned(self, run: RunId) -> bool: ...

    async def close(self) -> None: ...


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


# ---------------------------------------------------------------- files, commands, git


@frozen
class FileText:
    """A text file as read: `text` with `\\n` line ends; how to write it back is remembered in the rest."""

    path: str
    text: str
    digest: str
    """SHA-256 of the bytes on disk."""
    newline: Literal["\n", "\r\n", "\r"] = "\n"
    encoding: str = "utf-8"
    bom: bool = False


class Workspace(Protocol):
    """The files of one checkout, confined to its root. Paths are relative, `/`-separated; absolute ones inside the
    root are accepted. Symlinks are resolved before the check; `.git` is out of bounds.

    Every method may raise ToolFailure with text for the model.
    """

    @property
    def root(self) -> Path: ...

    def relative(self, path: str) -> str:
        """The canonical relative form.

        Raises:
            ToolFailure: it leads out of the workspace, or into `.git`.
        """
        ...

    async def read(self, path: str) -> FileText:
        """Raises ToolFailure for a missing, binary or huge (over 10 MB) file, and for a folder."""
        ...

    async def write(self, path: str, text: str, *, expected: str | None, like: FileText | None = None) -> str:
        """Write the whole file atomically (temp file and rename, mode kept); returns the new SHA-256.

        `expected` is the SHA-256 that must still be on disk; None means the file must not exist. `like` keeps its
        encoding, BOM and line ends; a new file also gets its mode.

        Raises:
            ToolFailure: the file on disk is another than expected.
        """
        ...

    async def delete(self, path: str, *, expected: str) -> None: ...

    async def digest(self, path: str) -> str | None:
        """SHA-256 of the bytes on disk; None when there is no such file."""
        ...

    async def list(self, path: str = ".", pattern: str | None = None, *, limit: int = 1000) -> Sequence[str]:
        """Files git would track plus untracked ones it does not ignore, sorted; folders when not in a repository."""
        ...

    async def search(
        self, pattern: str, path: str = ".", glob: str | None = None, *, limit: int = 200
    ) -> "SearchResult": ...


@frozen
class SearchHit:
    path: str
    line: int
    text: str


@frozen
class SearchResult:
    hits: tuple[SearchHit, ...]
    per_file: Mapping[str, int]
    """Hits of every file, the ones cut off included."""
    is_complete: bool


@frozen
class CommandResult:
    exit_code: int
    """128 + signal when killed by one; -1 on time-out."""
    output: bytes
    """Stdout and stderr as they came, capped by the executor; `truncated` says so."""
    timed_out: bool = False
    truncated: bool = False
    duration_ms: int = 0
    killed_for: str = ""
    """The limit for which the executor killed it, other than the time, in words that end its output as well."""


@frozen
class Confinement:
    """How commands run here, for `doctor`, receipts and approvals."""

    kind: Literal["bubblewrap", "landlock", "seatbelt", "none"]
    reason: str
    """Why there is no sandbox, or its version."""
    is_accepted: bool = True
    """False for walls that nobody has tried and the user did not ask for by name: they stand, and are not relied on."""

    @property
    def is_confined(self) -> bool:
        return self.kind != "none"

    def holds(self, *, in_place: bool) -> bool:
        """Whether commands may run unasked. Landlock cannot take a part out of a folder that may be written: in the
        user's own checkout (`in_place`) its `.git` could be changed.
        """
        return not self.lack(in_place=in_place)

    def lack(self, *, in_place: bool) -> str:
        """Why commands ask there, in words; empty when they need not."""
        match self.kind:
            case "bubblewrap":
                return ""
            case "landlock":
                return "Landlock cannot keep .git in your own checkout from change" if in_place else ""
            case "seatbelt":
                return "" if self.is_accepted else "the sandbox for macOS was never tried on a Mac"
            case "none":
                return "there is no sandbox"
            case _ as unreachable:
                assert_never(unreachable)

    def partly(self, *, in_place: bool) -> str:
        """The same for a sandbox that is there and does not hold everything."""
        return self.lack(in_place=in_place) if self.is_confined else ""


@frozen
class Place:
    """Where a command runs and what it sees.

    Inside the sandbox `root` is writable and is also what stands at `stands_for` (the user's checkout), so that
    editable installs and links that lead there lead to `root`; `git_dir` is readable only.
    """

    root: Path
    stands_for: Path | None = None
    git_dir: Path | None = None
    links: Mapping[str, Path] = field(default_factory=dict)
    """Relative path -> folder outside that appears there read-only (`node_modules`, a virtual environment)."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The worktree's own: its number and ports. No part of what `environment_hash` says."""


class Executor(Protocol):
    """Runs shell commands: own process group, killed whole, no key in the environment, no network when confined."""

    @property
    def confinement(self) -> Confinement: ...

    async def run(
        self,
        command: str,
        place: Place,
        *,
        timeout: float,
        clean: bool = False,
        on_output: Callable[[bytes], None] | None = None,
    ) -> CommandResult:
        """`sh -c command` at the root of `place`. `clean` means a check: private HOME and TMPDIR, stable environment.

        Never raises for what the command does; a cancelled run kills the whole group before it returns.
        """
        ...

    async def interpreter(self, place: Place) -> str:
        """Path of the `python3` that a command there would get, or empty."""
        ...

    def environment_hash(self, place: Place) -> str:
        """SHA-256 over the names and values a clean command gets and the resolved interpreter."""
        ...

    def leads_back(self, place: Place) -> str:
        """How a check there could prove something else than the tree at `root`, in words; empty when it cannot: code
        under test that comes from `stands_for` (an editable install, a `.pth`, a link), or a tree that holds its own
        programs where the user's environment stands.
        """
        ...


@frozen
class RepoState:
    """What stands in the user's checkout before any money is spent."""

    root: Path
    is_repository: bool
    has_commits: bool
    branch: str | None
    head: CommitId | None
    dirty: tuple[str, ...]
    """Tracked files with uncommitted changes."""
    untracked: tuple[str, ...]
    has_identity: bool
    submodules: tuple[str, ...] = ()
    uses_lfs: bool = False
    is_bare: bool = False
    in_progress: str = ""
    """`merge`, `rebase`, ... when one is unfinished."""


@frozen
class Clash:
    """A path that does not merge, with the blobs of its sides; None where a side has no file there. Where a file and a
    folder have one name it is the path that git gave the file, not one of `conflicts`.
    """

    path: str
    base: str | None
    ours: str | None
    theirs: str | None
    is_plain: bool
    """Files on every side that has one: neither links nor submodules."""


@frozen
class MergeForecast:
    """What merging would give. `tree` is set when it is clean, `conflicts` (paths) when it is not."""

    tree: TreeId | None
    conflicts: tuple[str, ...] = ()
    marked_tree: TreeId | None = None
    """With conflicts: the merge with conflict markers in the files, for whoever resolves them."""
    clashes: tuple[Clash, ...] = ()


@frozen
class Landing:
    """What became of moving the user's branch. `reason` and `command` are set when it did not move."""

    landed: bool
    old: CommitId | None = None
    new: CommitId | None = None
    reason: str = ""
    command: str = ""


class Lease(Protocol):
    """What one worktree has to itself as long as it is used."""

    @property
    def variables(self) -> Mapping[str, str]:
        """For the environment of its commands: `EQUITR_WORKTREE` (a number) and the ports that the project names."""
        ...

    def release(self) -> None:
        """Others may have it; safe to call twice. The kernel does it when the process dies."""
        ...


class Leases(Protocol):
    def take(self) -> Lease:
        """Different from every other lease that is held on this machine.

        Raises:
            UserError: no port is free.
        """
        ...


class Preparation(Protocol):
    """Puts what git does not carry into a worktree, as `.equitr/worktree.yaml` says."""

    async def prepare(self, place: Place) -> None:
        """Copies files and runs the cached set-up command.

        Raises:
            UserError: a named file is missing or the set-up command failed; says which.
        """
        ...


class GitTime(Protocol):
    """Grows with every git command."""

    @property
    def ms(self) -> int: ...

    @property
    def commands(self) -> int: ...


@frozen
class IgnoredFiles:
    """What git ignores in a checkout: `tree` holds it, but for what is `left` out."""

    tree: TreeId
    left: tuple[str, ...] = ()
    """Paths; of a folder with a slash at the end. A folder that a tool makes by a name of its own (`node_modules/`)
    stands for all of that name.
    """


@frozen
class Blamed:
    """A line, and the commit that brought it."""

    path: str
    line: int
    text: str
    commit: CommitId | None
    """None: it is not committed."""
    path_there: str
    """What the file was called in that commit."""
    author: str = ""
    message: str = ""
    """Of the commit."""


class Repository(Protocol):
    """Git, run by the host alone: hooks, signing, pagers, fsmonitor and prompts off; our identity only where the user
    has none. Raises `UserError` for what the user must mend (a broken repository, a full disk).
    """

    async def inspect(self) -> RepoState: ...

    async def ensure(self) -> RepoState:
        """Make the folder a repository and give it a first commit when it has none; existing ones are left alone."""
        ...

    async def resolve(self, ref: str) -> CommitId | None: ...

    async def tree_of(self, commit: CommitId) -> TreeId: ...

    async def add_worktree(self, path: Path, commit: CommitId) -> None:
        """A linked worktree at `path`, detached at `commit`. An existing one there is reset to it instead, and
        cleaned of every untracked file, ignored ones included: nothing of an earlier use stays.
        """
        ...

    async def move_worktree(self, old: Path, new: Path) -> bool:
        """Rename a worktree of ours, its files untouched; False when there is none at `old`, or something at `new`."""
        ...

    async def take_up_worktree(self, path: Path, commit: CommitId) -> bool:
        """Work can go on in the worktree of ours at `path`, its files untouched, whatever git remembers of it: one that
        it has forgotten is registered again, at `commit`. False when nothing stands there.
        """
        ...

    async def remove_worktree(self, path: Path) -> None: ...

    async def forget_worktrees(self, folder: Path) -> None:
        """Below `folder`: of worktrees of ours that somebody has deleted, git remembers nothing any more."""
        ...

    async def snapshot(self, root: Path, *, also: Collection[str] = ()) -> TreeId:
        """The content of a worktree (or of the checkout) as a tree: tracked and untracked, not ignored, except those
        files of `also` that exist.

        Touches neither its index nor any ref; repeated calls cost a stat per file.
        """
        ...

    async def ignored(self, root: Path, paths: Collection[str]) -> Collection[str]:
        """Those of `paths` that are untracked and ignored there."""
        ...

    async def ignored_files(self, root: Path) -> IgnoredFiles:
        """All ignored files there as a tree of their own, within bounds of number and size. Nothing names the tree."""
        ...

    async def restore(self, root: Path, tree: TreeId) -> None:
        """Make a *worktree* equal `tree`; ignored files stay."""
        ...

    async def commit_tree(
        self,
        tree: TreeId,
        parents: Sequence[CommitId],
        message: str,
        *,
        author: str | None = None,
        at: datetime | None = None,
    ) -> CommitId:
        """`at` is the commit's time, now without it. One made again with the same time is the same commit: a process
        that was killed before a ref named it leaves nothing unreachable when the next does it over.
        """
        ...

    async def tree_with(self, base: TreeId, files: Mapping[str, bytes | None]) -> TreeId:
        """`base` with whole files put in, or taken out where the value is None. Modes of existing files are kept."""
        ...

    async def mixed(self, tree: TreeId, other: TreeId | CommitId, paths: Collection[str]) -> TreeId:
        """`tree`, with `paths` as they are in `other`: content and mode, or not there."""
        ...

    async def forecast(self, ours: CommitId, theirs: CommitId) -> MergeForecast: ...

    async def move_ref(self, ref: str, new: CommitId, old: CommitId | None) -> bool:
        """Compare-and-swap; `old=None` means it must not exist. False when it was something else."""
        ...

    async def delete_refs(self, refs: Collection[str]) -> None:
        """At once: all of them are gone afterwards, whether they existed or not, or none."""
        ...

    async def kept_by_alone(self, refs: Collection[str]) -> Sequence[tuple[CommitId, str]]:
        """Commits that nothing but these refs (full names under `refs/equitr/`) keeps, newest first, each with its
        subject.
        """
        ...

    async def size_kept_by_alone(self, refs: Collection[str]) -> int | None:
        """Bytes on disk of what nothing but these refs keeps; None when git cannot tell."""
        ...

    async def refs(self, prefix: str) -> Mapping[str, CommitId]: ...

    async def changed(self, old: TreeId | CommitId, new: TreeId | CommitId) -> Mapping[str, str]:
        """Path -> `created`, `modified` or `deleted`."""
        ...

    async def diff(self, old: TreeId | CommitId, new: TreeId | CommitId, *, paths: Sequence[str] = ()) -> str:
        """Unified diff text."""
        ...

    async def file_changes(self, old: TreeId | CommitId, new: TreeId | CommitId) -> Mapping[str, tuple[str, int, int]]:
        """Path -> `created`, `modified` or `deleted`, lines added, lines removed (0 and 0 for binary files)."""
        ...

    async def keep(self, ref: str, object_id: TreeId | CommitId) -> None:
        """Let `ref` (a full name under `refs/equitr/`) name it, whatever it named: git never throws that away."""
        ...

    async def put_back(self, root: Path, before: TreeId, paths: Collection[str]) -> TreeId:
        """In a worktree of ours: make `paths` what they are in `before` (content, mode, or absent), leave everything
        else as it stands. Returns the tree of the files then.
        """
        ...

    async def show_file(self, tree: TreeId | CommitId, path: str) -> bytes | None: ...

    async def blame(self, path: str, line: int) -> Blamed:
        """Who wrote a line of a file in the user's checkout, as it stands there.

        Raises:
            UserError: there is no such file, or it has no such line, or git does not know it.
        """
        ...

    async def read_blob(self, blob: str) -> bytes: ...

    async def list_tree(self, tree: TreeId | CommitId) -> Sequence[str]: ...

    async def status_text(self, root: Path) -> str:
        """`git status --short` and the branch, for `ask_supervisor`."""
        ...

    async def land(self, run: RunId, branch: str, old: CommitId, new: CommitId) -> Landing:
        """Move the user's checked-out branch, index and files from `old` to `new` under a journal; all or nothing,
        also across `kill -9` (`recover_landings`). Refuses when anything of the user's would be touched.
        """
        ...

    async def recover_landings(self) -> Sequence[str]:
        """Complete or undo landings that a dead process left open; one line for each.

        Raises:
            UserError: the repository cannot be written.
        """
        ...

    async def restore_files(self, from_tree: TreeId, to_tree: TreeId, root: Path) -> Sequence[str]:
        """In the user's checkout: take back the changes from `from_tree` (what the agent left) to `to_tree`; a file
        whose content is no longer that of `from_tree` is left alone. Returns the paths that were left alone.
        """
        ...

    def git_dir(self) -> Path:
        """The repository's common git directory."""
        ...

    def measured(self) -> AbstractContextManager[GitTime]:
        """Counts the git commands that this asyncio task, and tasks it starts, run while the context is open."""
        ...


# ---------------------------------------------------------------- tools


@frozen
class ToolResult:
    """`for_model` is what the model reads, `for_user` one line for people."""

    for_model: str
    for_user: str = ""
    is_error: bool = False
    seen: Mapping[str, str] = field(default_factory=dict)
    """Path -> SHA-256 read or written in this call."""
    ends: ToolEnd | None = None
    is_whole: bool = False
    """It reaches the model uncut whatever its length."""
    kept: tuple[str, ...] = ()
    """SHA-256 of the outputs that it names and that are kept."""


@frozen
class ToolContext:
    """What one call may know of its session."""

    session: SessionId
    agent: AgentName
    task: TaskId | None
    call: CallId
    seen: Mapping[str, str]
    """Path -> SHA-256 as this session last read or wrote it."""


class Tool(Protocol):
    """One thing a model can do. It never asks for permission itself and never knows a screen."""

    @property
    def spec(self) -> ToolSpec: ...

    def parse(self, arguments: Mapping[str, Any]) -> Any:
        """Validated arguments.

        Raises:
            ToolFailure: names every wrong field and what was expected.
        """
        ...

    def touches(self, arguments: Any) -> Touches:
        """Raises ToolFailure when a path leaves the workspace."""
        ...

    async def run(self, arguments: Any, context: ToolContext) -> ToolResult:
        """Raises ToolFailure: it could not be done; nothing was changed."""
        ...


class Approvals(Protocol):
    async def ask(self, approval: Approval) -> ApprovalAnswer:
        """Wait for a person, or for a grant that already covers it.

        Raises:
            RunStopped: nobody is there to answer, and it is about no task (`approval_needed`).
        """
        ...


class Questions(Protocol):
    async def ask(
        self, session: SessionId, agent: AgentName, task: TaskId | None, call: CallId, text: str, options: Sequence[str]
    ) -> str:
        """Wait for the user's answer; one given for this call before a restart is returned at once."""
        ...


class Advisor(Protocol):
    """Answers a worker's question with the supervisor model. Capped per task and run, priced, logged. What was answered
    before a restart is answered again at no cost.
    """

    async def advise(self, context: ToolContext, question: str, files: Sequence[str]) -> str:
        """Raises ToolFailure when a cap is reached: tells the worker to go on or to hand in."""
        ...


class Overseer(Advisor, Protocol):
    """An advisor whom the host asks as well, for one attempt at a task."""

    async def report(
        self, trigger: EscalationTrigger, question: str, *, key: str = "", files: Sequence[str] = ()
    ) -> str | None:
        """What the host asks, once for each trigger and `key` in an attempt. None: the run has no more questions."""
        ...

    async def second_opinion(self, context: ToolContext, summary: str, confidence: float) -> str | None:
        """On work that its worker is unsure of. None when there was one in this attempt, or the run has no more."""
        ...


class Artifacts(Protocol):
    """What the tasks of a run promise each other. The session's task is the one that promises or reads."""

    async def publish(self, context: ToolContext, sync_point: str, content: str) -> str:
        """Keep a version, durable and told to its consumers when this returns; the same content again makes none.
        Returns what the producer should know.

        Raises:
            ToolFailure: the sync point is not this task's to publish, or the content cannot be kept.
        """
        ...

    async def read(self, context: ToolContext, sync_point: str) -> Artifact:
        """The newest version, recorded as read.

        Raises:
            ToolFailure: it is pending, or this task is none of its consumers.
        """
        ...


class Drafts(Protocol):
    """The planning documents while they are drafts."""

    async def write(self, name: str, content: str) -> str:
        """Keep a revision; returns what the planner should know (missing sections), or an acknowledgement."""
        ...

    async def submit(self, plan: Plan) -> str | None:
        """None when the plan was accepted; else what is wrong, in words for the planner."""
        ...


class CheckProbe(Protocol):
    """Runs checks before there is anything to prove."""

    async def passes_untouched(self, command: str) -> bool:
        """Whether the command passes on the files as the work will find them. What does not end in time can fail."""
        ...


class CodeMaps(Protocol):
    """Maps of the workspace and of its worktrees: which definitions matter for a request."""

    async def draw(self, root: Path, request: str, *, files: Sequence[str] = (), tokens: int | None = None) -> CodeMap:
        """The map of the tree at `root`. `files` are at hand already; `tokens` bound its text (`map_text`), as
        configured when left out. The same tree and request give the same map, but for files that there was no time to
        read.

        Can be cancelled; what was read until then is kept. An empty map where nothing is defined, or maps are off.
        """
        ...


class Outputs(Protocol):
    """Long outputs, kept by hash, opened with `read_file("output:ID")`."""

    async def keep(self, text: str) -> str:
        """Returns the SHA-256 of the bytes; `domain.tools.output_id` makes the id of it that a model reads."""
        ...

    async def open(self, output: str) -> str | None: ...


@frozen
class Excerpt:
    """A piece of a conversation. `title` says of what; `output` is the SHA-256 under which the whole is kept."""

    title: str
    text: str
    output: str


class Memory(Protocol):
    """What a session's model was sent and is no longer."""

    @property
    def is_empty(self) -> bool:
        """Nothing was left out so far."""
        ...

    async def find(self, query: str) -> Sequence[Excerpt]:
        """Pieces that share words with the query, best first; the same query finds the same."""
        ...


# ---------------------------------------------------------------- agents


@frozen
class Profile:
    """An agent as data (`config/profiles/*.yaml`)."""

    name: str
    role: Literal["coordinator", "specialist", "worker"]
    tier: Tier
    tools: tuple[str, ...]
    """Names of tools; aliases are resolved by settings."""
    prompt: str
    """Name of the prompt file that opens its system prompt."""
    specialization: str = ""
    extra_prompt: str = ""
    temperature: float | None = None
    max_iterations: int | None = None
    auto_escalate_on_uncertainty: bool = True
    """Whether a hand-in of low confidence goes to the supervisor first."""


@frozen
class AgentOrder:
    """What to start: everything an agent's session needs that is not fixed by its profile."""

    profile: str
    session: SessionId
    agent: AgentName
    task: TaskId | None
    purpose: Purpose
    first_message: str
    root: Path
    """The files it sees: a worktree, or the user's checkout."""
    can_write: bool
    in_place: bool = False
    """True for the user's own checkout: resume never resets it."""
    has_supervisor: bool = False
    can_ask_user: bool = False
    max_iterations: int = 30
    tier: Tier | None = None
    """Overrides the profile's."""
    footprint: tuple[str, ...] = ()
    """What it may write, as entries of `domain.globs`; empty means that the task did not say."""
    is_closed: bool = False
    """Whether a write outside the footprint is refused without asking anybody."""
    approved_commands: tuple[str, ...] = ()
    """Commands that run unasked: the task's check."""
    protected: tuple[str, ...] = ()
    """Paths that only the host writes: the planning documents."""
    tree: TreeId | None = None
    """The tree the session starts from, when its steps are to be recorded with their trees."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """For the environment of its commands."""
    delivers: tuple[RequestId, ...] = ()
    """Messages whose news the first message holds already."""
    images: tuple[Image, ...] = ()
    """Shown with the first message."""
    held: Mapping[str, str] = field(default_factory=dict)
    """Paths that prove the task, and in words what each is to it: only a person allows a change."""


@frozen
class AgentOutcome:
    """How a session's turn ended: by a tool that ends it, or with plain text."""

    text: str
    end: ToolEnd | None
    iterations: int


class Agent(Protocol):
    """One session, running or to be continued."""

    async def run(self, message: str | None = None) -> AgentOutcome:
        """Go on until a tool ends the session or the model answers with plain text. `message` is a further user
        message; the first one is the order's. After a restart the transcript in the log is continued.

        Raises:
            RunStopped: a guard, the budget or an interruption ended it.
            ModelError: the provider failed for good.
        """
        ...


class Deadline(Protocol):
    def paused(self) -> AbstractContextManager[None]:
        """Time inside does not count: rate limits, budget holds, people and supervisors who think."""
        ...


class StepWatcher(Protocol):
    async def stepped(self) -> None:
        """A step of the session that changed files is recorded."""
        ...


class AgentSpawner(Protocol):
    def spawn(
        self,
        order: AgentOrder,
        *,
        advisor: Overseer | None = None,
        drafts: Drafts | None = None,
        artifacts: Artifacts | None = None,
        deadline: Deadline | None = None,
        watcher: StepWatcher | None = None,
    ) -> Agent:
        """A session with the tools of its profile, bound to the given ports. The same session id continues."""
        ...


class Coach(Protocol):
    """Asked before every model call that the guards let through."""

    async def word(self) -> str | None:
        """What the session is told before the call, as a message of the user; None when there is nothing to say."""
        ...


class Guard(Protocol):
    """Asked before every model call. Fails closed."""

    def check(self, iterations: int) -> None:
        """Raises RunStopped when the session must not go on."""
        ...


class Policy(Protocol):
    """Pure: what is allowed. No I/O."""

    def decide(self, tool: str, touches: Touches) -> Decision: ...


# ---------------------------------------------------------------- settings and keys


@frozen
class KeySource:
    """Where a key comes from; never the key."""

    kind: Literal["environment", "keyring", "file"]
    place: str
    """In words, such as `the environment` or `the key store /home/ann/.equitr/keys`."""


class KeyStore(Protocol):
    """Keys by the name of the variable that would hold them. What the environment holds comes first."""

    def get(self, variable: str) -> str | None:
        """The key, never logged. Cheap enough for every call, and as new as the store: a rotation is seen at once.

        Raises:
            UserError: it is stored, and the store cannot be opened.
        """
        ...

    def source(self, variable: str) -> KeySource | None:
        """Where `get` would find it; None when there is none. Opens nothing and asks nobody."""
        ...


@frozen
class StoredKey:
    """One key of the store, without the key."""

    name: str
    """Of the variable that would hold it."""
    changed: datetime | None


class KeyVault(Protocol):
    """The store that the user's own keys are put into. Every method raises UserError when the store is damaged, open to
    other users, written by a newer version, or cannot be opened; nothing has changed then.
    """

    @property
    def place(self) -> str:
        """In words, with how it is protected; of a store that does not exist yet, what it would be."""
        ...

    def names(self) -> Sequence[StoredKey]:
        """In the order of their names. Opens nothing and asks nobody."""
        ...

    def read(self, name: str) -> str | None: ...

    def put(self, name: str, value: str) -> None:
        """Add or replace one, durable when it returns."""
        ...

    def remove(self, name: str) -> bool:
        """False when there was none."""
        ...

    def rotate_master(self) -> None:
        """Encrypt every key anew under another passphrase or master key; the old one opens nothing any more."""
        ...


class Redactor(Protocol):
    """Takes the keys that are held by this process out of whatever is stored, shown or sent to a model."""

    def text(self, text: str) -> str:
        """Every known form of a held key becomes `[key NAME]`."""
        ...

    def data(self, data: bytes) -> bytes: ...

    def value(self, value: _Value) -> _Value:
        """The same for every text in it; the very same value when there is no key in it."""
        ...

    def unfinished(self, text: str) -> int:
        """Characters at the end of a text that comes in pieces with which a held key may begin."""
        ...

    def marks(self, text: str) -> Sequence[str]:
        """The marks of held keys in a text that somebody wrote."""
        ...


class TrustStore(Protocol):
    def trusted_hash(self, workspace: Path) -> str | None: ...

    def trust(self, workspace: Path, content_hash: str, files: Mapping[str, bytes] | None = None) -> None: ...

    def trusted_files(self, workspace: Path) -> Mapping[str, bytes] | None:
        """The content that was trusted, by name; None when it is not known."""
        ...

    def forget(self, workspace: Path) -> None: ...


class ModelErrorTable(Protocol):
    def __call__(self, error: BaseException) -> ModelError: ...


# ---------------------------------------------------------------- what a run is made of


@frozen
class RunTerms:
    """Settings that a run's workflow reads."""

    default_check: str | None
    gate_checks: tuple[str, ...]
    check_timeout: float
    max_escalations: int
    auto_split: bool
    min_tasks: int
    max_tasks: int
    artifact_types: tuple[ArtifactType, ...]
    detect_sync_points: bool = True
    max_run_escalations: int = 20
    has_stronger_attempt: bool = False
    independent_tests: bool = False
    worktree_pool: int = 0
    """Worktrees kept for the next run."""
    workers: tuple[Candidate, ...] = ()
    """The worker profiles that tasks can be given to."""
    workflow_limit: Decimal | None = None
    """US dollars for a run of this kind, beside its own budget."""
    setup: str | None = None
    """What prepares a worktree."""
    after_edit: tuple[tuple[str, str], ...] = ()
    """Glob of an edited file, and the command that then runs."""


@frozen
class RunKit:
    """Everything one run needs from outside, put together in `app`. Workflows hand each part to who needs it."""

    events: EventGate
    store: EventStore
    clock: Clock
    prices: PriceBook
    repository: Repository
    executor: Executor
    preparation: Preparation
    leases: Leases
    spawner: AgentSpawner
    budget: BudgetGate
    approvals: Approvals
    questions: Questions
    open_workspace: Callable[[Path], Workspace]
    checkout: Path
    """The user's checkout."""
    worktrees: Path
    """`EQUITR_HOME/worktrees/<workspace>`."""
    links: Mapping[str, Path]
    code_maps: CodeMaps
    terms: RunTerms
    workbench: Callable[[Place], Mapping[str, Tool]]
    """The tools that write files and run commands, for a folder; nobody's permission is asked there."""
    unconfined: str = ""
    """Why what this run starts unasked is not confined, where a person must agree to that first; else empty."""
