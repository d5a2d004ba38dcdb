"""Makes the parts of a run from the settings; every shared part is made once, on first use."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from equitr_coder.adapters.code_map.maps import LocalCodeMaps
from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.keys.held import hold_environment
from equitr_coder.adapters.keys.layered import LayeredKeys
from equitr_coder.adapters.keys.stored import StoredKeys
from equitr_coder.adapters.local.clock import SystemClock
from equitr_coder.adapters.local.leases import LocalLeases
from equitr_coder.adapters.local.mentions import Mentions
from equitr_coder.adapters.local.preparation import PreparationPlan, WorktreePreparation
from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.adapters.models.windows import Windows
from equitr_coder.adapters.prices import DataFilePrices
from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.adapters.sandbox.limits import Limits as CommandLimits
from equitr_coder.adapters.sandbox.redacted import RedactedExecutor
from equitr_coder.adapters.sandbox.standby import Standbys
from equitr_coder.adapters.tokens import ByteTokenCounter
from equitr_coder.app.overrides import Overrides
from equitr_coder.app.spawner import TOOL_NAMES, Spawner
from equitr_coder.budget import Ledger, Limits
from equitr_coder.budget.ledger import unpriced
from equitr_coder.budget.limiter import RateLimiter
from equitr_coder.domain.commands import StartRun
from equitr_coder.domain.epic import ArtifactType
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.models import ModelSpec, Tier
from equitr_coder.domain.panel import PanelRules
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import PlanMode, RunKind, RunOptions
from equitr_coder.domain.strengths import Candidate
from equitr_coder.engine.model_call import Providers
from equitr_coder.engine.outages import Outages
from equitr_coder.ports import (
    Clock,
    EventStore,
    Executor,
    ModelClient,
    Profile,
    Repository,
    RunKit,
    RunTerms,
)
from equitr_coder.session.approvals import ApprovalDesk, QuestionDesk
from equitr_coder.session.hub import Hub
from equitr_coder.settings.layers import LoadedSettings
from equitr_coder.settings.profiles import load_profiles
from equitr_coder.settings.schema import SandboxLimits, Settings, require_models
from equitr_coder.settings.teams import Team, load_team
from equitr_coder.settings.worktree import worktree_setup
from equitr_coder.tools.hand_in import HandIn


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
        self.home = home
        self.checkout = checkout
        self.loaded = loaded
        self.store = store
        self.repository = repository
        self._executor: Executor | None = None
        self._standbys = Standbys()
        self._profiles: Mapping[str, Profile] | None = None
        self._team: Team | None = None
        self.clock: Clock = SystemClock()
        self.prices = DataFilePrices(self.settings.prices())
        self.held = overrides.held
        hold_environment(self.held, overrides.environ, self._key_variables())
        self.vault = StoredKeys(
            home,
            environ=overrides.environ,
            hold=self.held.hold,
            ask=overrides.ask_secret,
            find_keyring=overrides.find_keyring,
        )
        self.keys = LayeredKeys(EnvironmentKeys(overrides.environ), self.vault, hold=self.held.hold)
        self.router = ModelRouter(
            keys=self.keys,
            scripted=self._scripted(),
            timeout=self.settings.llm.timeout,
            prices=self.prices,
            read_image=store.get_blob,
        )
        self.windows = Windows(self.router.discover, self.prices)
        self.client = overrides.wrap_client(self.router)
        self.providers = Providers(
            client=self.client,
            limiter=RateLimiter(lane_of=self.router.lane, clock=self.clock),
            outages=Outages(self.clock),
            name_of=self.router.provider,
            takes_images=self.router.takes_images,
        )

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    async def close(self) -> None:
        self._standbys.close()
        await self.router.close()

    def models(self) -> tuple[ModelSpec, ...]:
        """Every configured model with its fallbacks, each once."""
        settings = self.settings
        tiers = (settings.supervisor(), settings.worker(), settings.single_model())
        specs = [one for spec in tiers if spec is not None for one in (spec, *spec.fallbacks)]
        return tuple({(spec.name, spec.api_base, spec.api_key_env): spec for spec in specs}.values())

    def _key_variables(self) -> frozenset[str]:
        """As the configuration names them; those of the providers are known by their names."""
        named = {spec.api_key_env for spec in self.models()} | {self.settings.llm.api_key_env}
        return frozenset(name for name in named if name is not None)

    # ---------------------------------------------------------------- what a run needs

    def make_options(self, command: StartRun) -> RunOptions:
        """The command's own words before the configuration's."""
        orchestrator = self.settings.orchestrator
        rounds = command.rounds if command.rounds is not None else orchestrator.max_attempts
        plan = command.plan or (PlanMode.ALWAYS if command.plan_only else orchestrator.plan)
        if not self.settings.collaboration.enabled:
            if plan is PlanMode.ALWAYS:
                raise UserError(
                    "epics are turned off by collaboration.enabled: false",
                    hint="set collaboration.enabled to true, or give one task at a time with --plan never",
                    exit_code=1,
                )
            plan = PlanMode.NEVER
        multi_agent = orchestrator.use_multi_agent if command.multi_agent is None else command.multi_agent
        team = self.team() if multi_agent else None
        is_parallel = team is None or team.is_parallel
        if command.kind is RunKind.LOOP and not (command.check or self.settings.checks.default):
            raise UserError("a loop needs a check that decides", hint='give --check "CMD", or set checks.default')
        return RunOptions(
            multi_agent=multi_agent,
            plan=plan,
            check=command.check,
            budget=command.budget if command.budget is not None else self.settings.llm.budget,
            max_workers=(command.max_workers or orchestrator.max_workers) if is_parallel else 1,
            max_iterations=orchestrator.max_iterations,
            rounds=rounds,
            worker_timeout=(team.agent_timeout if team is not None else None) or orchestrator.worker_timeout,
            review=orchestrator.review,
            panel=_panel(orchestrator.reviewers, team) if team is not None else PanelRules(),
            conflicts=self.settings.collaboration.conflict_resolution.mode,
            yes=command.yes,
            can_ask=command.can_ask,
            answer_within=self.settings.permission.answer_within,
            plan_only=command.plan_only,
        )

    def model_names(self, options: RunOptions, override: str | None) -> tuple[str | None, str | None]:
        """The models of a run, each with a key and, under a budget, a price."""
        self.profiles()  # a profile that cannot be used stops the run here too
        names = self._names(override, multi_agent=options.multi_agent)
        specs = [
            self._spec(name, tier, multi_agent=options.multi_agent)
            for name, tier in zip(names, (Tier.STRONG, Tier.WEAK), strict=True)
            if name is not None
        ]
        for one in (one for spec in specs for one in (spec, *spec.fallbacks)):
            self.router.provider(one)  # a misspelt one has no price either, and that would be the wrong hint
            if self._is_limited(options) and self.prices.price(one.name) is None:
                raise unpriced(one.name)
            self.router.require(one)
        self.router.warm_up(specs[0])
        return names

    def takes_images(self, options: RunOptions, name: str, tier: Tier) -> bool | None:
        """Of the model itself; its fallbacks that take none are left out when it comes to it."""
        return self.router.takes_images(self._spec(name, tier, multi_agent=options.multi_agent))

    def profiles(self) -> Mapping[str, Profile]:
        """Every agent's profile, read once.

        Raises:
            UserError: a file cannot be read, is incomplete, or names a tool that there is not.
        """
        if self._profiles is None:
            project = self.loaded.project
            self._profiles = load_profiles(home=self.home, project=project, known_tools=TOOL_NAMES)
        return self._profiles

    def team(self) -> Team:
        """The rules of the team that -M works with, read once.

        Raises:
            UserError: a file of it cannot be used.
        """
        if self._team is None:
            self._team = load_team(home=self.home, project=self.loaded.project)
        return self._team

    def workers(self) -> tuple[Candidate, ...]:
        """The profiles that tasks can be given to: workers that can hand in.

        Raises:
            UserError: as for `profiles`.
        """
        return tuple(
            Candidate(profile.name, profile.specialization)
            for profile in self.profiles().values()
            if profile.role == "worker" and HandIn.spec.name in profile.tools
        )

    def _names(self, override: str | None, *, multi_agent: bool) -> tuple[str | None, str | None]:
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
            chosen = await choose_executor(
                mode=self.settings.sandbox.mode,
                home=self.home,
                readable=[Path(path) for path in self.settings.sandbox.read],
                environ=self._overrides.environ,
                network=self.settings.sandbox.network,
                limits=_limits_of(self.settings.sandbox.limits),
                standbys=self._standbys,
            )
            self._executor = self._overrides.wrap_executor(RedactedExecutor(chosen, self.held))
        return self._executor

    def code_maps(self) -> LocalCodeMaps:
        cache = self.home / "maps" / f"{self._name}.db"
        return LocalCodeMaps(cache, tokens=self.settings.context.map_tokens, environ=self.environ)

    def mentions(self) -> Mentions:
        maps = self.code_maps()
        return Mentions(self.checkout, lambda name: maps.places(self.checkout, name), self.store.put_blob)

    @property
    def _name(self) -> str:
        """The workspace's folders under EQUITR_HOME."""
        return sha256(str(self.checkout).encode()).hexdigest()[:12]

    async def make_kit(self, hub: Hub, approvals: ApprovalDesk, questions: QuestionDesk) -> RunKit:
        executor = await self.executor()
        view = hub.view
        setup = worktree_setup(self.loaded.project)
        preparation = WorktreePreparation(
            plan=PreparationPlan(copies=setup.copies, setup=setup.setup, setup_inputs=setup.setup_inputs),
            checkout=self.checkout,
            cache=self.home / "prepared",
            executor=executor,
        )
        links = {name: self.checkout / name for name in setup.links}
        budget = Ledger(
            view.run,
            limits=self._limits(view),
            prices=self.prices,
            counter=ByteTokenCounter(),
            opening=list(view.ledger.values()),
            warned=view.warned,
        )
        spawner = Spawner(
            settings=self.settings,
            store=self.store,
            repository=self.repository,
            checkout=self.checkout,
            providers=self.providers,
            windows=self.windows,
            clock=self.clock,
            model_for=self.model_for,
            hub=hub,
            executor=executor,
            budget=budget,
            approvals=approvals,
            questions=questions,
            links=links,
            profiles=self.profiles(),
            redactor=self.held,
            instructions=self.loaded.project.trusted_text("instructions.md"),
        )
        return RunKit(
            events=hub,
            store=self.store,
            clock=self.clock,
            prices=self.prices,
            repository=self.repository,
            executor=executor,
            preparation=preparation,
            leases=LocalLeases(self.home / "leases", ports=setup.ports),
            spawner=spawner,
            budget=budget,
            approvals=approvals,
            questions=questions,
            open_workspace=LocalWorkspace,
            checkout=self.checkout,
            worktrees=self.home / "worktrees" / self._name,
            links=links,
            code_maps=self.code_maps(),
            terms=self._terms(view),
            workbench=spawner.workbench,
            unconfined=self._unconfined(executor, view),
        )

    def _unconfined(self, executor: Executor, view: RunView) -> str:
        """Why what this run starts unasked has no sandbox; empty where it has one, starts nothing, or the user turned
        it off themselves. A project cannot say that for them.
        """
        confinement = executor.confinement
        lack = confinement.lack(in_place=False)
        is_idle = view.options.plan_only or (view.kind is RunKind.CHAT and not self.settings.checks.after_edit)
        if not lack or is_idle:
            return ""
        source = next((entry.source for entry in self.loaded.entries if entry.key == "sandbox.mode"), "")
        is_own_choice = self.settings.sandbox.mode == "off" and not source.startswith("project ")
        return "" if is_own_choice else f"{lack}: {confinement.reason}"

    def _is_limited(self, options: RunOptions) -> bool:
        """Whether some limit holds for calls of every kind of run that these options can be for."""
        below = self.settings.llm.limits
        of_workers = (below.task, below.workflows.epic) if options.multi_agent else ()
        return any(limit is not None for limit in (options.budget, below.agent, *of_workers))

    def _limits(self, view: RunView) -> Limits:
        """The run's own is in its log, the others are as configured now: a resume can raise each."""
        below = self.settings.llm.limits
        workflows = {
            RunKind.CHAT: below.workflows.chat,
            RunKind.EPIC: below.workflows.epic,
            RunKind.LOOP: below.workflows.loop,
        }
        return Limits(
            run=view.options.budget,
            kind=view.kind,
            workflow=workflows[view.kind],
            each_task=below.task,
            each_agent=below.agent,
        )

    def _terms(self, view: RunView) -> RunTerms:
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
            detect_sync_points=collaboration.sync_points.auto_detect,
            max_run_escalations=self.settings.orchestrator.max_run_escalations,
            has_stronger_attempt=self.settings.orchestrator.stronger_attempt,
            independent_tests=checks.independent_tests,
            worktree_pool=self.settings.orchestrator.worktree_pool,
            workers=self.workers(),
            workflow_limit=self._limits(view).workflow,
            setup=worktree_setup(self.loaded.project).setup,
            after_edit=tuple((each.glob, each.command) for each in checks.after_edit),
        )

    def model_for(self, tier: Tier, view: RunView) -> ModelSpec:
        """The model that the run's own log names for a tier, called as the configuration says."""
        is_strong = view.options.multi_agent and tier is Tier.STRONG
        name = view.supervisor_model if is_strong else view.worker_model
        assert name is not None, "models are required when the run starts"
        return self._spec(name, tier, multi_agent=view.options.multi_agent)

    def _spec(self, name: str, tier: Tier, *, multi_agent: bool) -> ModelSpec:
        if not multi_agent:
            spec = self.settings.single_model()
        else:
            spec = self.settings.supervisor() if tier is Tier.STRONG else self.settings.worker()
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
            context_window=llm.context_window,
            images=llm.images,
            adapter="scripted" if name.startswith("scripted/") else llm.adapter,
        )

    @property
    def environ(self) -> Mapping[str, str]:
        return self._overrides.environ

    def _scripted(self) -> ModelClient | None:
        if self.settings.llm.script is None:
            return None
        from equitr_coder.testing.script import load_script
        from equitr_coder.testing.scripted_model import ScriptedModel

        return ScriptedModel(load_script(Path(self.settings.llm.script)))


def _panel(reviewers: int, team: Team) -> PanelRules:
    return PanelRules(
        reviewers=reviewers,
        policy=team.escalation_policy,
        wait_for_all=team.waits_for_all,
        in_turn=not team.is_parallel,
    )


def _limits_of(settings: SandboxLimits) -> CommandLimits:
    return CommandLimits(
        processes=settings.processes or None,
        memory_kb=settings.memory_mb * 1024 or None,
        file_kb=settings.file_mb * 1024 or None,
        cpu_seconds=settings.cpu_seconds or None,
    )
