"""The only wiring: reads the settings, puts the parts together and gives the one door to them. Decides nothing else."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import assert_never

from equitr_coder.adapters.git.repository import open_repository
from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.local.clock import SystemClock
from equitr_coder.adapters.local.preparation import PreparationPlan, WorktreePreparation
from equitr_coder.adapters.local.programs import version_of
from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.adapters.prices import DataFilePrices
from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.adapters.tokens import ByteTokenCounter
from equitr_coder.budget.ledger import Ledger, Limits
from equitr_coder.domain import queries as q
from equitr_coder.domain.commands import StartRun
from equitr_coder.domain.epic import ArtifactType, Plan
from equitr_coder.domain.errors import ModelError, UserError
from equitr_coder.domain.ids import RunId, SessionId, TaskId
from equitr_coder.domain.models import ModelRequest, ModelSpec, Reply, Tier, UserMessage
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import PlanMode, RunKind, RunOptions
from equitr_coder.engine.dispatch import Desk, Dispatcher, TreeWatch
from equitr_coder.engine.guards import NoDeadline, StepLimit
from equitr_coder.engine.loop import AgentLoop, Opening
from equitr_coder.engine.model_call import Caller, ModelCalls
from equitr_coder.engine.permission import Rules, SessionPolicy
from equitr_coder.engine.prompts import system_prompt
from equitr_coder.planning.drafts import DraftBook
from equitr_coder.ports import (
    Account,
    Advisor,
    Agent,
    AgentOrder,
    Approvals,
    Clock,
    Deadline,
    Drafts,
    EventStore,
    Executor,
    ModelClient,
    Place,
    Profile,
    Questions,
    Repository,
    RunApi,
    RunKit,
    RunTerms,
    Tool,
)
from equitr_coder.session.approvals import ApprovalDesk, QuestionDesk
from equitr_coder.session.doctor import Doctor
from equitr_coder.session.hub import Hub
from equitr_coder.session.outputs import KeptOutputs
from equitr_coder.session.service import LocalRunApi
from equitr_coder.settings.answers import config_answer
from equitr_coder.settings.home import equitr_home, write_user_config
from equitr_coder.settings.layers import LoadedSettings, load_settings
from equitr_coder.settings.presets import proposals
from equitr_coder.settings.profiles import load_profiles
from equitr_coder.settings.schema import Settings, require_models
from equitr_coder.settings.trust import FileTrustStore, set_trust, trust_answer
from equitr_coder.settings.worktree import worktree_setup
from equitr_coder.tools.apply_patch import ApplyPatch
from equitr_coder.tools.ask_supervisor import AskSupervisor
from equitr_coder.tools.ask_user import AskUser
from equitr_coder.tools.edit_file import EditFile
from equitr_coder.tools.hand_in import HandIn
from equitr_coder.tools.list_files import ListFiles
from equitr_coder.tools.read_file import ReadFile
from equitr_coder.tools.review import Review
from equitr_coder.tools.run_command import RunCommand
from equitr_coder.tools.search import Search
from equitr_coder.tools.submit_plan import SubmitPlan
from equitr_coder.tools.tick_todo import TickTodo
from equitr_coder.tools.toolset import Toolset
from equitr_coder.tools.write_document import WriteDocument
from equitr_coder.tools.write_file import WriteFile

PROBE_TOKENS = 16
_COMPLETED_FILES = 20_000


@dataclass(frozen=True)
class Overrides:
    """What a caller decides: where, with which environment, and flags over the configuration.

    The functions let a test stand between the product and the world; each gets the real part and returns what is
    used in its place.
    """

    repo: Path
    environ: Mapping[str, str]
    home: Path | None = None
    flags: Mapping[str, tuple[object, str]] = field(default_factory=dict)
    """Dotted configuration key -> value and the flag that gave it."""
    create_repo: bool = False
    wrap_store: Callable[[EventStore], EventStore] = lambda store: store
    wrap_repository: Callable[[Repository], Repository] = lambda repository: repository
    wrap_client: Callable[[ModelClient], ModelClient] = lambda client: client
    wrap_executor: Callable[[Executor], Executor] = lambda executor: executor


@asynccontextmanager
async def open_api(overrides: Overrides) -> AsyncIterator[RunApi]:
    """The door to one workspace, open while the context is.

    Raises:
        UserError: the folder is missing, or the configuration cannot be used.
    """
    home = overrides.home if overrides.home is not None else equitr_home(overrides.environ)
    _log_to(home / "logs" / "equitr.log")
    store = overrides.wrap_store(SqliteStore(home))
    try:
        checkout, repository = await _open_workspace(overrides, home, store)
        trust = FileTrustStore(home)
        loaded = load_settings(home=home, repo=checkout, environ=overrides.environ, flags=overrides.flags, trust=trust)
        workshop = Workshop(
            overrides=overrides, home=home, checkout=checkout, loaded=loaded, store=store, repository=repository
        )
        try:
            async with LocalRunApi(
                checkout=checkout,
                store=store,
                clock=workshop.clock,
                repository=repository,
                make_kit=workshop.make_kit,
                make_options=workshop.make_options,
                model_names=workshop.model_names,
                answer=workshop.answer,
            ) as api:
                yield api
        finally:
            await workshop.close()
    finally:
        await store.close()


async def _open_workspace(overrides: Overrides, home: Path, store: EventStore) -> tuple[Path, Repository]:
    root = overrides.repo.expanduser().absolute()
    is_new = not root.exists()
    if is_new and not overrides.create_repo:
        raise UserError(f"{root} does not exist", hint="name an existing folder with --repo, or create it first")
    if root.exists() and not root.is_dir():
        raise UserError(f"{root} is not a folder", hint="name a folder with --repo")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create {root}: {error.strerror}", hint="choose another folder with --repo") from error
    repository = overrides.wrap_repository(
        await open_repository(root.resolve(), home=home, store=store, shadow_ok=True)
    )
    if is_new:
        await repository.ensure()
        repository = overrides.wrap_repository(
            await open_repository(root.resolve(), home=home, store=store, shadow_ok=True)
        )
    return (await repository.inspect()).root, repository


class Workshop:
    """Makes the parts of a run from the settings; every shared part is made once, on first use."""

    def __init__(
        self,
        *,
        overrides: Overrides,
        home: Path,
        checkout: Path,
        loaded: LoadedSettings,
        store: EventStore,
        repository: Repository,
    ) -> None:
        self._overrides = overrides
        self._home = home
        self._checkout = checkout
        self._loaded = loaded
        self._store = store
        self._repository = repository
        self._executor: Executor | None = None
        self.clock: Clock = SystemClock()
        self.prices = DataFilePrices(self.settings.prices())
        self.keys = EnvironmentKeys(overrides.environ)
        self.router = ModelRouter(
            keys=self.keys,
            scripted=self._scripted(),
            timeout=self.settings.llm.timeout,
            prices=self.prices,
        )
        self.client = overrides.wrap_client(self.router)

    @property
    def settings(self) -> Settings:
        return self._loaded.settings

    async def close(self) -> None:
        await self.router.close()

    # ---------------------------------------------------------------- what a run needs

    def make_options(self, command: StartRun) -> RunOptions:
        """The command's own words before the configuration's."""
        orchestrator = self.settings.orchestrator
        rounds = command.rounds if command.rounds is not None else orchestrator.max_attempts
        return RunOptions(
            multi_agent=orchestrator.use_multi_agent if command.multi_agent is None else command.multi_agent,
            plan=command.plan or (PlanMode.ALWAYS if command.plan_only else orchestrator.plan),
            check=command.check,
            budget=command.budget if command.budget is not None else self.settings.llm.budget,
            max_workers=command.max_workers or orchestrator.max_workers,
            max_iterations=orchestrator.max_iterations,
            rounds=rounds,
            worker_timeout=orchestrator.worker_timeout,
            review=orchestrator.review,
            yes=command.yes,
            can_ask=command.can_ask,
            plan_only=command.plan_only,
        )

    def model_names(self, multi_agent: bool, override: str | None) -> tuple[str | None, str | None]:
        """The override names the one model, or the supervisor; the worker's too unless it is configured apart."""
        settings = self.settings
        if override is None:
            require_models(settings, multi_agent=multi_agent)
        single, supervisor, worker = settings.single_model(), settings.supervisor(), settings.worker()
        if not multi_agent:
            return None, override or (single.name if single is not None else None)
        has_own_worker = worker is not None and not settings.worker_note() and settings.llm.models.worker.model
        return (
            override or (supervisor.name if supervisor else None),
            worker.name if worker is not None and (has_own_worker or override is None) else override,
        )

    async def executor(self) -> Executor:
        if self._executor is None:
            self._executor = self._overrides.wrap_executor(
                await choose_executor(
                    mode=self.settings.sandbox.mode,
                    home=self._home,
                    readable=[Path(path) for path in self.settings.sandbox.read],
                    environ=self._overrides.environ,
                )
            )
        return self._executor

    async def make_kit(self, hub: Hub, approvals: ApprovalDesk, questions: QuestionDesk) -> RunKit:
        executor = await self.executor()
        view = hub.view
        setup = worktree_setup(self._loaded.project)
        preparation = WorktreePreparation(
            plan=PreparationPlan(copies=setup.copies, setup=setup.setup, setup_inputs=setup.setup_inputs),
            checkout=self._checkout,
            cache=self._home / "prepared",
            executor=executor,
        )
        links = {name: self._checkout / name for name in setup.links}
        budget = Ledger(
            view.run,
            limits=Limits(run=view.options.budget),
            prices=self.prices,
            counter=ByteTokenCounter(),
            opening=list(view.ledger.values()),
            warned=view.warned,
        )
        spawner = Spawner(
            workshop=self,
            hub=hub,
            executor=executor,
            budget=budget,
            approvals=approvals,
            questions=questions,
            links=links,
            profiles=load_profiles(home=self._home, project=self._loaded.project),
        )
        return RunKit(
            events=hub,
            store=self._store,
            clock=self.clock,
            repository=self._repository,
            executor=executor,
            preparation=preparation,
            spawner=spawner,
            budget=budget,
            approvals=approvals,
            questions=questions,
            open_workspace=LocalWorkspace,
            checkout=self._checkout,
            worktrees=self._home / "worktrees" / sha256(str(self._checkout).encode()).hexdigest()[:12],
            links=links,
            terms=self._terms(),
        )

    def _terms(self) -> RunTerms:
        checks, collaboration = self.settings.checks, self.settings.collaboration
        return RunTerms(
            default_check=checks.default,
            gate_checks=checks.gate,
            check_timeout=checks.timeout,
            max_escalations=self.settings.orchestrator.max_escalations,
            auto_split=collaboration.planning.auto_split,
            min_tasks=collaboration.planning.min_subtasks,
            max_tasks=collaboration.planning.max_subtasks,
            artifact_types=tuple(ArtifactType(name) for name in collaboration.sync_points.types),
        )

    def model_for(self, tier: Tier, view: RunView) -> ModelSpec:
        """The model that the run's own log names for a tier, called as the configuration says."""
        if not view.options.multi_agent:
            name, spec = view.worker_model, self.settings.single_model()
        elif tier is Tier.STRONG:
            name, spec = view.supervisor_model, self.settings.supervisor()
        else:
            name, spec = view.worker_model, self.settings.worker()
        assert name is not None, "models are required when the run starts"
        if spec is not None and spec.name == name:
            return spec
        llm = self.settings.llm
        return ModelSpec(
            name=name,
            tier=tier,
            api_base=llm.api_base,
            api_key_env=llm.api_key_env,
            temperature=llm.temperature,
            max_tokens=llm.max_tokens,
            adapter="scripted" if name.startswith("scripted/") else llm.adapter,
        )

    @property
    def parts(self) -> tuple[EventStore, Repository, Path]:
        return self._store, self._repository, self._checkout

    def _scripted(self) -> ModelClient | None:
        if self.settings.llm.script is None:
            return None
        from equitr_coder.testing.script import load_script
        from equitr_coder.testing.scripted_model import ScriptedModel

        return ScriptedModel(load_script(Path(self.settings.llm.script)))

    # ---------------------------------------------------------------- questions about the configuration

    async def answer(self, query: q.Query) -> q.Answer:
        trust = FileTrustStore(self._home)
        match query:
            case q.ConfigQuery():
                return config_answer(self._loaded)
            case q.ModelsQuery():
                return await self._models(discover=query.discover)
            case q.DoctorQuery():
                return await self._doctor()
            case q.FilesQuery():
                return q.FilesAnswer(files=tuple(await LocalWorkspace(self._checkout).list(limit=_COMPLETED_FILES)))
            case q.ProposalQuery():
                return proposals(self.settings, environ=self._overrides.environ, prices=self.prices)
            case q.TrustQuery():
                return trust_answer(self._checkout, home=self._home, trust=trust)
            case q.SetTrust():
                return set_trust(self._checkout, home=self._home, trust=trust, trusted=query.trusted)
            case q.ProbeModel():
                return await self._probe(query.model)
            case q.WriteConfig():
                return write_user_config(self._home, query.text)
            case q.RunsQuery() | q.CostQuery() | q.DiffQuery():
                raise AssertionError("answered from the log")
            case _ as unreachable:
                assert_never(unreachable)

    async def _doctor(self) -> q.DoctorAnswer:
        specs = (self.settings.supervisor(), self.settings.worker(), self.settings.single_model())
        doctor = Doctor(
            home=self._home,
            executor=await self.executor(),
            repository=self._repository,
            catalog=self.router,
            keys=self.keys,
            prices=self.prices,
            models=tuple(spec for spec in specs if spec is not None),
            trust=trust_answer(self._checkout, home=self._home, trust=FileTrustStore(self._home)),
            version_of=version_of,
        )
        return await doctor.examine()

    async def _models(self, *, discover: bool) -> q.ModelsAnswer:
        settings = self.settings
        rows: tuple[tuple[str, ModelSpec | None, str], ...] = (
            ("single", settings.single_model(), ""),
            ("supervisor", settings.supervisor(), ""),
            ("worker", settings.worker(), settings.worker_note()),
        )
        configured = tuple(self._configured(role, spec, note) for role, spec, note in rows)
        if not discover:
            return q.ModelsAnswer(configured=configured)
        spec = settings.single_model() or settings.supervisor() or self._endpoint_alone()
        return q.ModelsAnswer(
            configured=configured,
            discovered=tuple(await self.router.discover(spec)),
            endpoint=self.router.endpoint(spec),
        )

    def _endpoint_alone(self) -> ModelSpec:
        """Something to ask the endpoint with while no model is configured yet."""
        llm = self.settings.llm
        if llm.api_base is None and not self.keys.get("OPENAI_API_KEY"):
            raise UserError(
                "there is no endpoint to ask",
                hint="set llm.api_base or a provider's key (for example OPENAI_API_KEY), or name a model with --model",
            )
        return ModelSpec(name="any", tier=Tier.STRONG, api_base=llm.api_base, api_key_env=llm.api_key_env)

    def _configured(self, role: str, spec: ModelSpec | None, note: str) -> q.ConfiguredModel:
        if spec is None:
            return q.ConfiguredModel.model_validate({"role": role, "name": None, "note": "not configured"})
        try:
            provider, endpoint = self.router.provider(spec), self.router.endpoint(spec)
            variable = self.router.key_variable(spec)
        except UserError as error:
            return q.ConfiguredModel.model_validate({"role": role, "name": spec.name, "note": str(error)})
        if variable is None:
            key = "none needed"
        else:
            key = f"{variable} is {'set' if self.keys.get(variable) else 'not set'}"
        return q.ConfiguredModel.model_validate(
            {
                "role": role,
                "name": spec.name,
                "note": note,
                "provider": provider,
                "endpoint": endpoint,
                "key": key,
                "price": self.prices.price(spec.name),
            }
        )

    async def _probe(self, model: str) -> q.ProbeAnswer:
        """One small call, reserved and priced like any other, but belonging to no run."""
        configured = self.settings.single_model() or self.settings.supervisor()
        spec = ModelSpec(name=model, tier=Tier.STRONG)
        if configured is not None and configured.name == model:
            spec = configured
        request = ModelRequest(
            model=spec,
            system="Answer with one word.",
            messages=(UserMessage(text="Say hello."),),
            max_tokens=PROBE_TOKENS,
        )
        run = RunId("probe")
        ledger = Ledger(run, limits=Limits(run=Decimal(1)), prices=self.prices, counter=ByteTokenCounter())
        reservation = await ledger.reserve(Account(run, None, SessionId("probe")), request)
        started = self.clock.monotonic()
        reply: Reply | None = None
        try:
            async for item in self.client.stream(request):
                if isinstance(item, Reply):
                    reply = item
        except ModelError as error:
            return q.ProbeAnswer(
                ok=False, text=f"{error}. {error.hint}".strip(), usd=ledger.charge(reservation), latency_ms=0
            )
        assert reply is not None
        usd, _ = ledger.settle(reservation, reply.usage)
        latency = round((self.clock.monotonic() - started) * 1000)
        return q.ProbeAnswer(ok=True, text=reply.message.text.strip(), usd=usd, latency_ms=latency)


class Spawner:
    """Implements `ports.AgentSpawner`: an engine loop with the profile's tools, bound to one run's parts."""

    def __init__(
        self,
        *,
        workshop: Workshop,
        hub: Hub,
        executor: Executor,
        budget: Ledger,
        approvals: Approvals,
        questions: Questions,
        links: Mapping[str, Path],
        profiles: Mapping[str, Profile],
    ) -> None:
        self._workshop = workshop
        self._hub = hub
        self._executor = executor
        self._budget = budget
        self._approvals = approvals
        self._questions = questions
        self._links = links
        self._profiles = profiles

    def spawn(
        self,
        order: AgentOrder,
        *,
        advisor: Advisor | None = None,
        drafts: Drafts | None = None,
        deadline: Deadline | None = None,
    ) -> Agent:
        profile = self._profiles[order.profile]
        settings = self._workshop.settings
        store, repository, _ = self._workshop.parts
        deadline = deadline if deadline is not None else NoDeadline()
        spec = self._workshop.model_for(order.tier or profile.tier, self._hub.view)
        if profile.temperature is not None:
            spec = spec.model_copy(update={"temperature": profile.temperature})
        outputs = KeptOutputs(store)
        tools = self._tools(order, profile, outputs, advisor, drafts)
        caller = Caller(order.session, order.agent, order.task, order.purpose)
        tree = TreeWatch(repository, lambda: repository.snapshot(order.root), current=order.tree)
        dispatcher = Dispatcher(
            desk=Desk(
                session=order.session,
                agent=order.agent,
                task=order.task,
                confined=self._executor.confinement.is_confined,
                may_rerun=not order.in_place,
            ),
            tools=tools,
            policy=self._policy(order),
            approvals=self._approvals,
            events=self._hub,
            outputs=outputs,
            deadline=deadline,
            tree=tree if order.tree is not None else None,
        )
        calls = ModelCalls(
            caller=caller,
            client=self._workshop.client,
            budget=self._budget,
            events=self._hub,
            clock=self._workshop.clock,
            deadline=deadline,
            retries=settings.llm.retries,
        )
        opening = Opening(
            system=_system(profile, order),
            first_message=order.first_message,
            model=spec,
            tools=tools.specs,
        )
        limit = min(order.max_iterations, profile.max_iterations or order.max_iterations)
        return AgentLoop(
            caller=caller,
            opening=opening,
            calls=calls,
            dispatcher=dispatcher,
            events=self._hub,
            guards=[StepLimit(limit), *([drafts] if isinstance(drafts, DraftBook) else [])],
        )

    def _policy(self, order: AgentOrder) -> SessionPolicy:
        permission = self._workshop.settings.permission
        checkout = self._workshop.parts[2]
        return SessionPolicy(
            rules=Rules(allow=permission.allow, ask=permission.ask, deny=permission.deny),
            roots=tuple(dict.fromkeys((str(order.root), str(checkout)))),
            can_write=order.can_write,
            footprint=order.footprint,
            approved_commands=frozenset(order.approved_commands),
            documents=order.protected,
            is_confined=self._executor.confinement.is_confined,
        )

    def _tools(
        self,
        order: AgentOrder,
        profile: Profile,
        outputs: KeptOutputs,
        advisor: Advisor | None,
        drafts: Drafts | None,
    ) -> Toolset:
        _, repository, checkout = self._workshop.parts
        workspace = LocalWorkspace(order.root)
        place = Place(root=order.root, stands_for=checkout, git_dir=repository.git_dir(), links=self._links)
        tools: list[Tool] = [
            ReadFile(workspace, outputs),
            WriteFile(workspace),
            EditFile(workspace),
            ApplyPatch(workspace),
            ListFiles(workspace),
            Search(workspace),
            RunCommand(self._executor, place, outputs),
            HandIn(),
            Review(),
        ]
        if order.task is not None and self._hub.view.plan is not None:
            tools.append(TickTodo(_todos(self._hub.view.plan, order.task)))
        if advisor is not None and order.has_supervisor:
            tools.append(AskSupervisor(advisor, workspace))
        if order.can_ask_user:
            tools.append(AskUser(self._questions))
        if drafts is not None:
            tools += [WriteDocument(drafts), SubmitPlan(drafts)]
        return Toolset(tools).only(profile.tools)


def _todos(plan: Plan, task: TaskId) -> dict[int, str]:
    return dict(zip(plan.todo_numbers[task], plan.task(task).todos, strict=True))


def _system(profile: Profile, order: AgentOrder) -> str:
    prompt = system_prompt(profile.prompt, {"has_supervisor": order.has_supervisor, "can_ask_user": order.can_ask_user})
    return f"{prompt}\n\n{profile.extra_prompt}".strip() if profile.extra_prompt else prompt


def _log_to(path: Path) -> None:
    """Warnings and tracebacks go to a file that is only made when there is something to write."""
    logger = logging.getLogger("equitr_coder")
    if any(isinstance(handler, RotatingFileHandler) for handler in logger.handlers):
        return
    handler = LazyFileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False


class LazyFileHandler(RotatingFileHandler):
    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=2_000_000, backupCount=2, delay=True, encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        super().emit(record)


__all__ = ["Overrides", "RunKind", "open_api"]
