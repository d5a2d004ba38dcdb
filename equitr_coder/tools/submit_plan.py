"""The planner's last step: tasks and sync points, validated as a whole."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.epic import ArtifactType, Plan, Priority, SyncPoint, Task
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.tools import ToolEnd
from equitr_coder.ports import Drafts, ToolContext, ToolResult
from equitr_coder.tools.arguments import Arguments, LazySpec, Texts, as_list, parse_arguments


class TaskArguments(Arguments):
    id: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="T1, T2, ...")
    title: str = Field(min_length=1)
    description: str = Field(
        default="", description="Always: what to build, with requirement numbers and design sections"
    )
    type: str = Field(default="code", description="database, api, frontend, tests, docs, code ...")
    specialization: str = Field(default="", description="Area, names the worker: backend, frontend ...")
    priority: Priority = Priority.MEDIUM
    needs: Texts = Field(default=(), description="Ids of tasks that must be done before")
    files: Texts = Field(default=(), description="Always: paths or globs it will touch, its tests included")
    symbols: Texts = Field(
        default=(), description="Where tasks share a file: the parts it will touch, path::Name or path::Class.method"
    )
    resources: Texts = Field(
        default=(), description="What only one task may use at a time: port:8080, db:test, service:redis, cpu"
    )
    covers: Texts = Field(default=(), description="Numbers of the requirements it fulfils: 2.1.3, or 2.1 for all below")
    todos: Texts = Field(default=(), description="Always: steps, each one line")
    commands: Texts = Field(
        default=(),
        description="Only where the work needs them besides the check: shell commands that write, one line each, "
        "exactly as they will be run; the user approves them with the plan",
    )
    check: str | None = Field(
        default=None, description="Always: shell command, run at the root; exit 0 only when it is done; or none"
    )
    check_reason: str = Field(
        default="", description="Only where the check passes already or is `none`: why that cannot be helped"
    )
    critical: bool = Field(
        default=False,
        description="Security, money, possible data loss, or a contract others build on; the result is reviewed",
    )

    @field_validator("priority", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value


class SyncPointArguments(Arguments):
    id: str = Field(min_length=1)
    type: ArtifactType = ArtifactType.CONTRACTS
    description: str = Field(default="", description="What is promised, and in which file")
    producer: str = Field(min_length=1, description="Task id")
    consumers: Texts = Field(default=(), description="Ids of tasks that use it; each also needs the producer")

    @field_validator("type", mode="before")
    @classmethod
    def _plural(cls, value: Any) -> Any:
        text = value.strip().lower() if isinstance(value, str) else value
        return f"{text}s" if f"{text}s" in set(ArtifactType) else text


class SubmitPlanArguments(Arguments):
    title: str = Field(min_length=1)
    tasks: Annotated[tuple[TaskArguments, ...], BeforeValidator(as_list)] = Field(min_length=1)
    sync_points: Annotated[tuple[SyncPointArguments, ...], BeforeValidator(as_list)] = Field(
        default=(), description="Artifacts that one task promises to others"
    )

    def to_plan(self) -> Plan:
        return Plan(
            title=self.title,
            tasks=tuple(
                Task(
                    id=TaskId(task.id),
                    title=task.title,
                    description=task.description,
                    type=task.type,
                    specialization=task.specialization,
                    priority=task.priority,
                    needs=tuple(TaskId(need) for need in task.needs),
                    files=task.files,
                    symbols=task.symbols,
                    resources=task.resources,
                    covers=task.covers,
                    todos=task.todos,
                    commands=task.commands,
                    check=task.check,
                    check_reason=task.check_reason,
                    critical=task.critical,
                )
                for task in self.tasks
            ),
            sync_points=tuple(
                SyncPoint(
                    id=point.id,
                    type=point.type,
                    description=point.description,
                    producer=TaskId(point.producer),
                    consumers=tuple(TaskId(consumer) for consumer in point.consumers),
                )
                for point in self.sync_points
            ),
        )


class SubmitPlan:
    spec = LazySpec("submit_plan", SubmitPlanArguments)

    def __init__(self, drafts: Drafts) -> None:
        self._drafts = drafts

    def parse(self, arguments: Mapping[str, Any]) -> SubmitPlanArguments:
        return parse_arguments("submit_plan", SubmitPlanArguments, arguments)

    def touches(self, _arguments: SubmitPlanArguments) -> Touches:
        return Touches()

    async def run(self, arguments: SubmitPlanArguments, _context: ToolContext) -> ToolResult:
        plan = arguments.to_plan()
        problem = await self._drafts.submit(plan)
        if problem is not None:
            raise ToolFailure(problem)
        count = f"{len(plan.tasks)} {'task' if len(plan.tasks) == 1 else 'tasks'}"
        return ToolResult(
            for_model=f"The plan was accepted: {count}. The user reviews it now.",
            for_user=f"plan: {plan.title}, {count}",
            ends=ToolEnd(kind="plan_submitted", summary=plan.title, plan=plan),
        )
