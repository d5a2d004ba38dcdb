"""Answers what the configuration, the machine and the endpoints can answer."""

from collections.abc import Iterator
from decimal import Decimal
from typing import assert_never

from equitr_coder.adapters.local.programs import version_of
from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.adapters.models.providers import resolve
from equitr_coder.adapters.sqlite.checkup import check_store
from equitr_coder.adapters.tokens import ByteTokenCounter
from equitr_coder.app.key_enquiries import KeyEnquiries, said_of
from equitr_coder.app.policy_enquiry import policy_answer
from equitr_coder.app.workshop import Workshop
from equitr_coder.budget import Ledger, Limits
from equitr_coder.domain import queries as q
from equitr_coder.domain.errors import ModelError, UserError
from equitr_coder.domain.ids import RunId, SessionId
from equitr_coder.domain.models import ModelRequest, ModelSpec, Reply, Tier, UserMessage
from equitr_coder.ports import (
    Account,
)
from equitr_coder.session.doctor import Doctor
from equitr_coder.settings.answers import config_answer
from equitr_coder.settings.home import set_user_value, write_user_config
from equitr_coder.settings.presets import proposals
from equitr_coder.settings.trust import FileTrustStore, set_trust, trust_answer

PROBE_TOKENS = 16
_COMPLETED_FILES = 20_000


class Enquiries:
    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop

    async def answer(self, query: q.Query) -> q.Answer:
        trust = FileTrustStore(self._shop.home)
        match query:
            case q.ConfigQuery():
                return self._config()
            case q.ModelsQuery():
                return await self._models(discover=query.discover)
            case q.DoctorQuery():
                return await self._doctor()
            case q.FilesQuery() | q.CheckoutQuery() | q.MapQuery() | q.ProbeModel() | q.PolicyQuery():
                return await self._found(query)
            case q.ProposalQuery():
                return proposals(self._shop.settings, keys=self._shop.keys, prices=self._shop.prices)
            case q.TrustQuery():
                return trust_answer(self._shop.checkout, home=self._shop.home, trust=trust)
            case q.SetTrust():
                return set_trust(self._shop.checkout, home=self._shop.home, trust=trust, trusted=query.trusted)
            case q.WriteConfig() | q.SetConfig():
                return self._written(query)
            case (
                q.KeysQuery()
                | q.KeyNameQuery()
                | q.UnlockKeys()
                | q.SetKey()
                | q.RemoveKey()
                | q.RotateMaster()
                | q.TestKey()
            ):
                return await KeyEnquiries(self._shop).answer(query)
            case (
                q.RunsQuery()
                | q.CostQuery()
                | q.MetricsQuery()
                | q.EscalationsQuery()
                | q.AuditQuery()
                | q.AuditVerifyQuery()
                | q.DiffQuery()
                | q.ConflictQuery()
            ):
                raise AssertionError("answered from the log")
            case q.VerifyQuery() | q.ReplayQuery() | q.WhyQuery() | q.PruneQuery():
                raise AssertionError("answered from the log")
            case _ as unreachable:
                assert_never(unreachable)

    def _written(self, query: q.WriteConfig | q.SetConfig) -> q.Answer:
        match query:
            case q.WriteConfig():
                return write_user_config(self._shop.home, query.text)
            case q.SetConfig():
                return set_user_value(self._shop.home, query.key, query.value)

    async def _found(self, query: q.FilesQuery | q.CheckoutQuery | q.MapQuery | q.ProbeModel | q.PolicyQuery) -> q.Answer:
        """What takes a look at the checkout, at the machine, or at a model."""
        match query:
            case q.FilesQuery():
                files = await LocalWorkspace(self._shop.checkout).list(limit=_COMPLETED_FILES)
                return q.FilesAnswer(files=tuple(files))
            case q.CheckoutQuery():
                state = await self._shop.repository.inspect()
                return q.CheckoutAnswer(
                    root=str(self._shop.checkout),
                    branch=state.branch,
                    is_repository=state.is_repository,
                    is_clean=not state.dirty,
                )
            case q.MapQuery():
                drawn = await self._shop.code_maps().draw(self._shop.checkout, query.request, tokens=query.tokens)
                return q.MapAnswer(map=drawn)
            case q.ProbeModel():
                return await self._probe(query.model)
            case q.PolicyQuery():
                return await policy_answer(self._shop, query)

    def _config(self) -> q.ConfigAnswer:
        answer = config_answer(self._shop.loaded, self._shop.team())
        try:
            keys = KeyEnquiries(self._shop).entries()
        except UserError as error:  # a damaged key store must not hide the configuration
            return answer.model_copy(update={"warnings": (*answer.warnings, str(error))})
        return answer.model_copy(update={"entries": (*answer.entries, *keys)})

    async def _doctor(self) -> q.DoctorAnswer:
        specs = (self._shop.settings.supervisor(), self._shop.settings.worker(), self._shop.settings.single_model())
        doctor = Doctor(
            home=self._shop.home,
            executor=await self._shop.executor(),
            repository=self._shop.repository,
            catalog=self._shop.router,
            keys=self._shop.keys,
            prices=self._shop.prices,
            models=tuple(spec for spec in specs if spec is not None),
            trust=trust_answer(self._shop.checkout, home=self._shop.home, trust=FileTrustStore(self._shop.home)),
            version_of=version_of,
            check_store=lambda: check_store(self._shop.home),
            check_keys=KeyEnquiries(self._shop).findings,
            profiles=self._shop.profiles,
            way_of=self._way_of,
            limits=self._limits(),
        )
        return await doctor.examine()

    def _way_of(self, spec: ModelSpec) -> str:
        """The adapter and the form of tools, as far as they are known before the endpoint has refused any."""
        via = resolve(spec, self._shop.keys, with_key=False).via
        adapter = {"scripted": "scripted", "direct": "called directly", "litellm": "called by litellm"}[via]
        if spec.tools != "auto":
            form = "tools as text" if spec.tools == "text" else "native tools"
            return f"{adapter}, {form} (as configured)"
        info = self._shop.prices.info(spec.name)
        if info is not None and info.tools is not None:
            return f"{adapter}, {'native tools' if info.tools else 'tools as text: it knows no native ones'}"
        return f"{adapter}, native tools unless it refuses them"

    def _limits(self) -> tuple[tuple[str, Decimal | None], ...]:
        llm = self._shop.settings.llm
        workflows = llm.limits.workflows
        return (
            ("a run", llm.budget),
            ("a chat", workflows.chat),
            ("an epic", workflows.epic),
            ("a loop", workflows.loop),
            ("a task", llm.limits.task),
            ("an agent", llm.limits.agent),
        )

    async def _models(self, *, discover: bool) -> q.ModelsAnswer:
        settings = self._shop.settings
        rows: tuple[tuple[str, ModelSpec | None, str], ...] = (
            ("single", settings.single_model(), ""),
            ("supervisor", settings.supervisor(), ""),
            ("worker", settings.worker(), settings.worker_note()),
        )
        configured = tuple(
            self._configured(role, one, note)
            for role, spec, tier_note in rows
            for one, note in _with_fallbacks(spec, tier_note, role=role)
        )
        if not discover:
            return q.ModelsAnswer(configured=configured)
        spec = settings.single_model() or settings.supervisor() or self._endpoint_alone()
        return q.ModelsAnswer(
            configured=configured,
            discovered=tuple(await self._shop.router.discover(spec)),
            endpoint=self._shop.router.endpoint(spec),
        )

    def _endpoint_alone(self) -> ModelSpec:
        """Something to ask the endpoint with while no model is configured yet."""
        llm = self._shop.settings.llm
        if llm.api_base is None and self._shop.keys.source("OPENAI_API_KEY") is None:
            raise UserError(
                "there is no endpoint to ask",
                hint="set llm.api_base or a provider's key (for example OPENAI_API_KEY), or name a model with --model",
            )
        return ModelSpec(name="any", tier=Tier.STRONG, api_base=llm.api_base, api_key_env=llm.api_key_env)

    def _configured(self, role: str, spec: ModelSpec | None, note: str) -> q.ConfiguredModel:
        if spec is None:
            return q.ConfiguredModel.model_validate({"role": role, "name": None, "note": "not configured"})
        try:
            provider, endpoint = self._shop.router.provider(spec), self._shop.router.endpoint(spec)
            variable = self._shop.router.key_variable(spec)
        except UserError as error:
            return q.ConfiguredModel.model_validate({"role": role, "name": spec.name, "note": str(error)})
        key = "none needed" if variable is None else f"{variable} is {said_of(self._shop.keys.source(variable))}"
        return q.ConfiguredModel.model_validate(
            {
                "role": role,
                "name": spec.name,
                "note": note,
                "provider": provider,
                "endpoint": endpoint,
                "key": key,
                "price": self._shop.prices.price(spec.name),
                "info": self._shop.prices.info(spec.name),
                "context_window": self._shop.windows.known(spec),
            }
        )

    async def _probe(self, model: str) -> q.ProbeAnswer:
        """One small call, reserved and priced like any other, but belonging to no run."""
        configured = self._shop.settings.single_model() or self._shop.settings.supervisor()
        spec = self._shop.settings.untried(model)
        if configured is not None and configured.name == model:
            spec = configured
        request = ModelRequest(
            model=spec,
            system="Answer with one word.",
            messages=(UserMessage(text="Say hello."),),
            max_tokens=PROBE_TOKENS,
        )
        run = RunId("probe")
        ledger = Ledger(run, limits=Limits(run=Decimal(1)), prices=self._shop.prices, counter=ByteTokenCounter())
        reservation = await ledger.reserve(Account(run, None, SessionId("probe")), request)
        started = self._shop.clock.monotonic()
        reply: Reply | None = None
        try:
            async for item in self._shop.client.stream(request):
                if isinstance(item, Reply):
                    reply = item
        except ModelError as error:
            is_free = not error.sent or error.status is not None
            usd = Decimal(0) if is_free else ledger.charge(reservation)
            return q.ProbeAnswer(ok=False, text=f"{error}. {error.hint}".strip(), usd=usd, latency_ms=0)
        assert reply is not None
        usd, _ = ledger.settle(reservation, reply.usage)
        latency = round((self._shop.clock.monotonic() - started) * 1000)
        return q.ProbeAnswer(ok=True, text=reply.message.text.strip(), usd=usd, latency_ms=latency)


def _with_fallbacks(spec: ModelSpec | None, note: str, *, role: str) -> Iterator[tuple[ModelSpec | None, str]]:
    """The tier's own model, then who takes over for it; the one model of single-agent work shows no others twice."""
    yield spec, note
    if spec is not None and role != "single":
        for number, fallback in enumerate(spec.fallbacks, 1):
            yield fallback, f"fallback {number} of the {role}"
