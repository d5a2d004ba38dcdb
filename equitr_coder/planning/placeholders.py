"""The documents a planner never wrote, rendered from the request and the plan, and marked as such."""

from equitr_coder.domain.epic import Plan

NOT_WRITTEN = "was not written by the planner; this text was put together from the request and the plan"


def render_requirements(request: str, plan: Plan) -> str:
    """The request as overview and each task's todos as features."""
    features = [
        f"### {task.id} {task.title}\n\n" + "\n".join(f"- {todo}" for todo in task.todos) for task in plan.tasks
    ]
    return "\n\n".join(
        [
            f"# {plan.title}: requirements",
            f"> requirements.md {NOT_WRITTEN}.",
            "## 1. Overview",
            _quoted(request),
            "## 2. Features",
            *features,
            "## 3. Non-functional requirements",
            "Not stated.\n",
        ]
    )


def render_design(plan: Plan) -> str:
    """The tasks as parts, with their files and what they build on."""
    parts = [
        f"- {task.id} {task.title}"
        + (f"; files: {', '.join(f'`{path}`' for path in task.files)}" if task.files else "")
        + (f"; builds on {', '.join(task.needs)}" if task.needs else "")
        for task in plan.tasks
    ]
    promises = [
        f"- {point.id} ({point.type}): {point.producer} gives it to {', '.join(point.consumers) or 'nobody'}. "
        f"{point.description}".rstrip()
        for point in plan.sync_points
    ]
    return "\n\n".join(
        [
            f"# {plan.title}: design",
            f"> design.md {NOT_WRITTEN}.",
            "## 1. Architecture",
            "\n".join(parts),
            *(["## 2. Sync points", "\n".join(promises)] if promises else []),
            f"## {3 if promises else 2}. Deployment",
            "Not stated.\n",
        ]
    )


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().split("\n"))
