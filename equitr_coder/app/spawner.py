"""Makes agents: an engine loop with the tools of a profile, bound to one run's parts."""

from collections.abc import Callable, Mapping
from pathlib import Path

from equitr_coder.adapters.local.instructions import read_instructions
from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.budget.ledger import Ledger
from equitr_coder.domain.claims import beyond, holder
from equitr_coder.domain.edits import EDIT_TOOLS
from equitr_coder.domain.epic import Plan
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.models import EditFormat, ModelSpec, Tier
from equitr_coder.domain.run_view import RunView
from equitr_coder.engine.coaching import Coach
from equitr_coder.engine.compaction import Compaction
from equitr_coder.engine.dispatch import Desk, Dispatcher
from equitr_coder.engine.guards import NoDeadline, NoProgress, StepLimit
from equitr_coder.engine.instructions import Instruction, folder_block, general_block
from equitr_coder.engine.loop import AgentLoop, Opening
from equitr_coder.engine.memory import TranscriptMemory
from equitr_coder.engine.model_call import Caller, ModelCalls, Providers
from equitr_coder.engine.permission import Rules, SessionPolicy
from equitr_coder.engine.prompts import system_prompt
from equitr_coder.engine.step_trees import TreeWatch, kept_ref
from equitr_coder.engine.summary import Summarizer
from equitr_coder.ports import (
    Agent,
    AgentOrder,
    Approvals,
    Artifacts,
    Clock,
    ContextWindows,
    Deadline,
    Drafts,
    EventStore,
    Executor,
    Guard,
    Overseer,
    Place,
    Profile,
    Questions,
    Redactor,
    Repository,
    StepWatcher,
    Tool,
)
from equitr_coder.session.hub import Hub
from equitr_coder.session.outputs import KeptOutputs
from equitr_coder.settings.edit_formats import edit_formats
from equitr_coder.settings.schema import Settings
from equitr_coder.tools.after_edit import AfterEdit, EditCheck
from equitr_coder.tools.apply_patch import ApplyPatch
from equitr_coder.tools.ask_supervisor import AskSupervisor
from equitr_coder.tools.ask_user import AskUser
from equitr_coder.tools.edit_file import EditFile
from equitr_coder.tools.hand_in import HandIn
from equitr_coder.tools.list_files import ListFiles
from equitr_coder.tools.pass_on import PassOn
from equitr_coder.tools.publish_artifact import PublishArtifact
from equitr_coder.tools.read_artifact import ReadArtifact
from equitr_coder.tools.read_file import ReadFile
from equitr_coder.tools.recall import Recall
from equitr_coder.tools.redacted import RedactedTool
from equitr_coder.tools.review import Review
from equitr_coder.tools.run_command import RunCommand
from equitr_coder.tools.search import Search
from equitr_coder.tools.tick_todo import TickTodo
from equitr_coder.tools.toolset import Toolset
from equitr_coder.tools.write_file import WriteFile

TOOL_NAMES = frozenset(
    {
        *(
            tool.spec.name
            for tool in (
                ReadFile,
                WriteFile,
                EditFile,
                ApplyPatch,
                ListFiles,
                Search,
                RunCommand,
                HandIn,
                Review,
                PassOn,
                TickTodo,
                PublishArtifact,
                ReadArtifact,
                AskSupervisor,
                AskUser,
                Recall,
            )
        ),
        "write_document",
        "submit_plan",
    }
)
"""What a profile may name. The last two are loaded with the planner alone."""

_CONFINED = "Commands run in a sandbox: no network, no keys, and only the working folder and /tmp can be written."
_REACHABLE = (
    "Commands run in a sandbox: no keys, of the network only {hosts} by HTTP(S), and only the working folder and /tmp "
    "can be written."
)
_UNCONFINED = "There is no sandbox on this machine, so every command asks the user first. Use few."
_PARTLY = (
    "Commands run in a sandbox (no network, no keys, only the working folder and /tmp can be written) that cannot keep "
    ".git from change, so every command asks the user first. Use few."
)

_EDITING: Mapping[EditFormat, str] = {
    "edit_file": "Change files with edit_file rather than apply_patch.",
    "apply_patch": "Change files with apply_patch rather than edit_file.",
    "unified_diff": "Change files with apply_patch, written as a unified diff, rather than with edit_file.",
    "search_replace": "Change files with SEARCH/REPLACE blocks, which apply_patch takes, rather than with edit_file.",
}
"""One line of the prompt: which of the two tools suits the model."""


class Spawner:
    """Implements `ports.AgentSpawner`: an engine loop with the profile's tools, bound to one run's parts."""

    def __init__(
        self,
        *,
        settings: Settings,
        store: EventStore,
        repository: Repository,
        checkout: Path,
        providers: Providers,
        windows: ContextWindows,
        clock: Clock,
        model_for: Callable[[Tier, RunView], ModelSpec],
        hub: Hub,
        executor: Executor,
        budget: Ledger,
        approvals: Approvals,
        questions: Questions,
        links: Mapping[str, Path],
        profiles: Mapping[str, Profile],
        redactor: Redactor,
        instructions: str | None = None,
    ) -> None:
        """`instructions` is the text of a trusted `.equitr/instructions.md`."""
        self._settings = settings
        self._store = store
        self._repository = repository
        self._checkout = checkout
        self._providers = providers
        self._windows = windows
        self._clock = clock
        self._model_for = model_for
        self._hub = hub
        self._executor = executor
        self._budget = budget
        self._approvals = approvals
        self._questions = questions
        self._links = links
        self._profiles = profiles
        self._redactor = redactor
        self._instructions = instructions

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
        profile = self._profiles[order.profile]
        deadline = deadline if deadline is not None else NoDeadline()
        spec = self._model_for(order.tier or profile.tier, self._hub.view)
        if profile.temperature is not None:
            spec = _with_temperature(spec, profile.temperature)
        outputs = KeptOutputs(self._store)
        tools = self._tools(order, profile, outputs, advisor, drafts, artifacts)
        caller = Caller(order.session, order.agent, order.task, order.purpose)
        tree = None
        if order.tree is not None:
            ref = kept_ref(self._hub.view.run, order.session)
            known = self._hub.view.sessions.get(order.session)
            tree = TreeWatch(
                self._repository,
                order.root,
                ref=ref,
                current=order.tree,
                goes_on=known is not None,
                keeps_all=order.in_place,
                written=known.changed if known is not None and order.in_place else (),
            )
        dispatcher = Dispatcher(
            desk=Desk(
                session=order.session,
                agent=order.agent,
                task=order.task,
                confined=self._executor.confinement.holds(in_place=order.in_place),
                may_rerun=not order.in_place,
                partly=self._executor.confinement.partly(in_place=order.in_place),
            ),
            tools=tools,
            policy=self._policy(order),
            approvals=self._approvals,
            events=self._hub,
            outputs=outputs,
            deadline=deadline,
            tree=tree,
            watcher=watcher,
        )
        general, of_folders = self._instructed(order)
        opening = Opening(
            system="\n\n".join(text for text in (self._system(profile, order, spec), general) if text),
            first_message="\n\n".join(text for text in (order.first_message, of_folders) if text),
            images=order.images,
            delivers=order.delivers,
        )
        compaction = Compaction(
            events=self._hub,
            caller=caller,
            model=spec,
            tools=tools.specs,
            windows=self._windows,
            outputs=outputs,
            summarizer=Summarizer(
                events=self._hub,
                caller=caller,
                model=self._model_for(Tier.WEAK, self._hub.view),
                calls_of=lambda other: self._calls(other, deadline, retries=min(1, self._settings.llm.retries)),
            ),
        )
        limit = min(order.max_iterations, profile.max_iterations or order.max_iterations)
        return AgentLoop(
            caller=caller,
            opening=opening,
            compaction=compaction,
            calls=self._calls(caller, deadline, retries=self._settings.llm.retries),
            dispatcher=dispatcher,
            events=self._hub,
            guards=[
                StepLimit(limit),
                NoProgress(self._hub, order.session),
                *_guards_of(drafts),
            ],
            coach=Coach(self._hub, order.session, advisor if order.has_supervisor else None),
        )

    def _calls(self, caller: Caller, deadline: Deadline, *, retries: int) -> ModelCalls:
        return ModelCalls(
            caller=caller,
            providers=self._providers,
            budget=self._budget,
            events=self._hub,
            clock=self._clock,
            deadline=deadline,
            retries=retries,
        )

    def _system(self, profile: Profile, order: AgentOrder, spec: ModelSpec) -> str:
        platform = self._platform(order)
        if {*EDIT_TOOLS} <= {*profile.tools}:
            platform += f"\n{_EDITING[edit_formats().recommended(spec)]}"
        facts = {
            "has_supervisor": order.has_supervisor,
            "can_ask_user": order.can_ask_user,
            "platform": platform,
        }
        prompt = system_prompt(profile.prompt, facts)
        return f"{prompt}\n\n{profile.extra_prompt}" if profile.extra_prompt else prompt

    def _platform(self, order: AgentOrder) -> str:
        confinement, hosts = self._executor.confinement, self._settings.sandbox.network
        if not confinement.holds(in_place=order.in_place):
            return _PARTLY if confinement.is_confined else _UNCONFINED
        if hosts and confinement.kind == "bubblewrap":
            return _REACHABLE.format(hosts=", ".join(hosts))
        return _CONFINED

    def _instructed(self, order: AgentOrder) -> tuple[str, str]:
        """The project's instructions: what is the same for all agents, and what is for the folders of this one."""
        found = [(one.path, one.text) for one in read_instructions(order.root, order.footprint)]
        general: list[Instruction] = [one for one in found if "/" not in one[0]]
        if self._instructions is not None and self._instructions.strip():
            general.append((".equitr/instructions.md", self._instructions.strip()))
        return general_block(general), folder_block([one for one in found if "/" in one[0]])

    def _policy(self, order: AgentOrder) -> SessionPolicy:
        permission = self._settings.permission
        return SessionPolicy(
            rules=Rules(allow=permission.allow, ask=permission.ask, deny=permission.deny),
            roots=tuple(dict.fromkeys((str(order.root), str(self._checkout)))),
            can_write=order.can_write,
            footprint=order.footprint,
            is_closed=order.is_closed,
            leaving=self._settings.orchestrator.footprint,
            holder=lambda path: self._holder(order.task, path),
            approved_commands=frozenset(order.approved_commands),
            documents=order.protected,
            held=order.held,
            is_confined=self._executor.confinement.holds(in_place=order.in_place),
            lack=self._executor.confinement.lack(in_place=order.in_place),
            mode=permission.mode,
        )

    def _holder(self, task: TaskId | None, path: str) -> str | None:
        """In words, of a file that another task at work claims."""
        view = self._hub.view
        held_by = holder(view, path, besides=task)
        if held_by is None or view.plan is None or (task is not None and path in beyond(view, task)):
            return None
        return f"{held_by} ({view.plan.task(held_by).title})"

    def _tools(
        self,
        order: AgentOrder,
        profile: Profile,
        outputs: KeptOutputs,
        advisor: Overseer | None,
        drafts: Drafts | None,
        artifacts: Artifacts | None,
    ) -> Toolset:
        links = {} if order.in_place else self._links  # in the checkout itself they are where they are
        workspace = LocalWorkspace(order.root, links=links)
        place = Place(
            root=order.root,
            stands_for=self._checkout,
            git_dir=self._repository.git_dir(),
            links=self._links,
            variables=order.variables,
        )
        tools: list[Tool] = [
            ReadFile(workspace, outputs),
            *self._editing(workspace, place),
            ListFiles(workspace, linked=tuple(links)),
            Search(workspace, linked=tuple(links)),
            RunCommand(self._executor, place, outputs),
            HandIn(advisor if order.has_supervisor and profile.auto_escalate_on_uncertainty else None),
            Review(),
            PassOn(),
            Recall(TranscriptMemory(self._hub, order.session, outputs)),
        ]
        plan = self._hub.view.plan
        if order.task is not None and plan is not None and plan.task(order.task).todos:
            tools.append(TickTodo(_todos(plan, order.task)))
        if artifacts is not None and order.task is not None and plan is not None:
            tools += _sharing(artifacts, plan, order.task)
        if advisor is not None and order.has_supervisor:
            tools.append(AskSupervisor(advisor, workspace))
        if order.can_ask_user:
            tools.append(AskUser(self._questions))
        if drafts is not None:
            from equitr_coder.tools.submit_plan import SubmitPlan
            from equitr_coder.tools.write_document import WriteDocument

            tools += [WriteDocument(drafts), SubmitPlan(drafts)]
        return Toolset(RedactedTool(tool, self._redactor) for tool in tools).only(profile.tools)

    def workbench(self, place: Place) -> Toolset:
        """As in `ports.RunKit`."""
        workspace = LocalWorkspace(place.root, links=place.links)
        command = RunCommand(self._executor, place, KeptOutputs(self._store))
        return Toolset([*self._editing(workspace, place), command])

    def _editing(self, workspace: LocalWorkspace, place: Place) -> tuple[Tool, ...]:
        after = AfterEdit(
            workspace,
            self._executor,
            place,
            [EditCheck(each.glob, each.command, each.timeout) for each in self._settings.checks.after_edit],
        )
        return WriteFile(workspace, after), EditFile(workspace, after), ApplyPatch(workspace, after)


def _sharing(artifacts: Artifacts, plan: Plan, task: TaskId) -> list[Tool]:
    """Only where there is something to publish or to read."""
    offered: list[Tool] = []
    if plan.produced_by(task):
        offered.append(PublishArtifact(artifacts))
    if plan.consumed_by(task):
        offered.append(ReadArtifact(artifacts))
    return offered


def _with_temperature(spec: ModelSpec, temperature: float) -> ModelSpec:
    fallbacks = tuple(_with_temperature(fallback, temperature) for fallback in spec.fallbacks)
    return spec.model_copy(update={"temperature": temperature, "fallbacks": fallbacks})


def _guards_of(drafts: Drafts | None) -> list[Guard]:
    if drafts is None:
        return []
    from equitr_coder.planning.drafts import DraftBook  # only planners need it

    return [drafts] if isinstance(drafts, DraftBook) else []


def _todos(plan: Plan, task: TaskId) -> dict[int, str]:
    return dict(zip(plan.todo_numbers[task], plan.task(task).todos, strict=True))
