"""What the next request starts, and how that reads: the configuration in force, the person's switches over it."""

from dataclasses import dataclass, field
from decimal import Decimal

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.queries import ConfigAnswer, ConfiguredModel, ModelsAnswer
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.bounds import Bounds
from equitr_coder.presentation.figures import dollars, limit
from equitr_coder.presentation.listings import is_multi_agent
from equitr_coder.presentation.text import cells

PLAN, CHAT, RUN = MODES = ("plan", "chat", "run")
_BUDGET = "llm.budget"
_UNLIMITED = "unlimited"


@frozen
class Setup:
    """What the configuration says; it does not change while the session is open."""

    models: dict[str, ConfiguredModel]
    """By role: single, supervisor, worker."""
    budget: Decimal | None
    multi_agent: bool
    bounds: Bounds = field(default_factory=Bounds)

    @staticmethod
    def of(config: ConfigAnswer, models: ModelsAnswer) -> "Setup":
        entries = (entry for entry in config.entries if not entry.source.startswith("ignored"))
        budget = next((entry.value for entry in entries if entry.key == _BUDGET), _UNLIMITED)
        return Setup(
            models={row.role: row for row in reversed(models.configured)},  # a tier's own stands before its fallbacks
            budget=None if budget == _UNLIMITED else Decimal(budget),
            multi_agent=is_multi_agent(config),
            bounds=Bounds.of(config, models),
        )

    def name(self, role: str) -> str:
        row = self.models.get(role)
        return (row.name if row is not None else None) or "none"

    @property
    def names(self) -> tuple[str, ...]:
        """Every configured model once."""
        return tuple(dict.fromkeys(row.name for row in self.models.values() if row.name))


@dataclass
class Mode:
    setup: Setup
    multi_agent: bool
    plans_first: bool
    """The next request is planned before anything is built."""
    model: str | None = None
    """Chosen for this session, over the configured one."""

    @property
    def name(self) -> str:
        """`plan`: plan with the supervisor first. `run`: supervisor and workers as the request needs them. `chat`: one
        agent in the checkout.
        """
        if self.plans_first:
            return PLAN
        return RUN if self.multi_agent else CHAT

    def use(self, name: str) -> None:
        self.plans_first, self.multi_agent = name == PLAN, name in (PLAN, RUN)

    @property
    def next_name(self) -> str:
        return MODES[(MODES.index(self.name) + 1) % len(MODES)]

    @property
    def has_workers(self) -> bool:
        return self.plans_first or self.multi_agent

    @property
    def title(self) -> str:
        if self.plans_first:
            return "planning"
        return "multi-agent on" if self.multi_agent else "multi-agent off"

    @property
    def models(self) -> tuple[str, ...]:
        """The models of the next request, each with its role before it."""
        if not self.has_workers:
            return (f"model {self.model or self.setup.name('single')}",)
        worker = self.setup.models.get("worker")
        follows = self.model is not None and (worker is None or bool(worker.note))
        worker_name = self.model if follows else self.setup.name("worker")
        return (f"supervisor {self.model or self.setup.name('supervisor')}", f"worker {worker_name}")


def status_line(mode: Mode, view: RunView | None, *, width: int | None = None) -> str:
    """Mode, both models, spent of budget on one line; too narrow for it, the models lose their providers."""
    spent = ZERO if view is None else view.spent
    cap = mode.setup.budget if view is None else view.options.budget
    money = f"{dollars(spent)} of {limit(cap)}"
    line = "  ".join((mode.title, *mode.models, money))
    if width is None or cells(line) <= width:
        return line
    short = (f"{role} {name.rsplit('/', 1)[-1]}" for role, name in (model.split(" ", 1) for model in mode.models))
    parts = [mode.title, money, *short]
    while len(parts) > 1 and cells("  ".join(parts)) > width:
        parts.pop()
    return "  ".join(parts)
