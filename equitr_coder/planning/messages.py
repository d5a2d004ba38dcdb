"""What the planner is told beside its system prompt: the first message, requests for revision, and answers of the host.

The first message opens with the request, verbatim. All texts are written for the model.
"""

import re
from collections.abc import Sequence

from equitr_coder.domain.events import DocumentWritten
from equitr_coder.planning.plan_rules import PlanRules
from equitr_coder.planning.size import judge

MOST_LISTED_LINES = 300
MOST_LISTED_CHARACTERS = 12_000

DECIDE_YOURSELF = (
    "Nobody can answer questions in this run. Decide yourself, write it into requirements.md under Assumptions, and "
    "submit the plan with submit_plan. The next text without a tool call ends planning."
)
MAP_NOTE = "The definitions that matter most for the request, as far as names tell, with their line numbers:"
NOTHING_SAID = (
    "Your last answer was empty. Write the documents with write_document and submit the plan with submit_plan, or ask "
    "one question."
)
TODOS_ARE_RENDERED = (
    "Nothing was stored: todos.md is rendered from submit_plan. Put the todos into the tasks of the plan you submit."
)
_REVISION = re.compile(r"\ARevise (requirements|design|todos)\.md \(to revision (\d+)\)\. ")


def first_message(
    request: str,
    *,
    listing: str,
    rules: PlanRules,
    can_ask: bool,
    default_check: str | None = None,
    code_map: str = "",
    attachments: str = "",
) -> str:
    """The request, then the repository, then the limits of this plan. `code_map` is the map of the repository drawn for
    the request, `attachments` what the request mentions.
    """
    limits = _limits(_count(rules, request), rules, can_ask=can_ask, default_check=default_check)
    return "\n\n".join(
        [
            request,
            *([attachments] if attachments else []),
            f"<repository>\n{cap_listing(listing) or 'No files yet.'}\n</repository>",
            *([f"<map>\n{MAP_NOTE}\n\n{code_map}\n</map>"] if code_map else []),
            f"<limits>\n{limits}\n</limits>",
        ]
    )


def cap_listing(listing: str) -> str:
    """Whole lines from the start, within the caps; the last line says how many were left out."""
    lines = listing.strip("\n").split("\n") if listing.strip() else []
    kept: list[str] = []
    size = 0
    for line in lines[:MOST_LISTED_LINES]:
        size += len(line) + 1
        if size > MOST_LISTED_CHARACTERS:
            break
        kept.append(line)
    left_out = len(lines) - len(kept)
    return "\n".join([*kept, f"[... {left_out} more lines; use list_files ...]"] if left_out else kept)


def revision_message(
    name: str, request: str, *, current: DocumentWritten, edited: Sequence[DocumentWritten] = ()
) -> str:
    """Ask for exactly one document. `edited` are others that the user changed and the planner has not seen."""
    how = (
        "Submit the whole plan again with submit_plan, changed as asked; keep the ids of tasks that stay."
        if name == "todos"
        else f"Write the whole document again with write_document (name `{name}`), changed as asked and otherwise as "
        "it is, then answer with one sentence. Do not submit the plan again."
    )
    shown = [f"<{other.name}.md edited by the user>\n{other.content}\n</{other.name}.md>" for other in edited]
    return "\n\n".join(
        [
            f"Revise {name}.md (to revision {current.revision + 1}). The user asks:",
            request,
            f"{how} The other documents stay as they are; attempts to change them are refused.",
            f"<{name}.md>\n{current.content}\n</{name}.md>",
            *shown,
        ]
    )


def read_revision(message: str) -> tuple[str, int] | None:
    """Which document a revision message asks for, and the revision it leads to."""
    match = _REVISION.match(message)
    return (match[1], int(match[2])) if match else None


def not_revised(name: str) -> str:
    what = "submit the changed plan with submit_plan" if name == "todos" else f"write {name}.md with write_document"
    return f"{name}.md is still as it was. Nobody can answer questions now: decide yourself and {what}."


def plan_refused(problems: Sequence[str]) -> str:
    return f"The plan was not accepted:\n{_bullets(problems)}\nCorrect all of this and call submit_plan again."


def document_kept(name: str, revision: int, problems: Sequence[str], *, unsaid: Sequence[str] = ()) -> str:
    """`unsaid` are answers of the user's that neither document holds."""
    if problems:
        kept = (
            f"{name}.md is stored (revision {revision}), but something is missing:\n{_bullets(problems)}\n"
            f"Write the whole document again with write_document, these points mended."
        )
    else:
        kept = f"{name}.md is stored (revision {revision})."
    if not unsaid:
        return kept
    answers = _bullets([" ".join(answer.split()) for answer in unsaid])
    return (
        f"{kept}\nThe user answered this, and neither document says it:\n{answers}\n"
        "Write the document it belongs to again, with it."
    )


def only_one_is_revised(target: str, other: str) -> str:
    return f"Nothing was stored: the user asked for a change of {target}.md only, and {other}.md stays as it is. " + (
        "Call submit_plan." if target == "todos" else f"Write {target}.md, then answer with one sentence."
    )


def _limits(count: str, rules: PlanRules, *, can_ask: bool, default_check: str | None) -> str:
    lines = [
        f"Tasks: {count}",
        f"Sync point types: {', '.join(rules.sync_point_types) or 'none, submit no sync points'}.",
    ]
    if default_check:
        lines.append(f"Give every task its own check; `{default_check}` is only the fallback for a task without one.")
    else:
        lines.append("There is no default check: a task without a check has no proof. Give every task its own check.")
    if not can_ask:
        lines.append(
            "Nobody can answer questions: decide yourself and write it into requirements.md under Assumptions."
        )
    return _bullets(lines)


def _count(rules: PlanRules, request: str) -> str:
    if not rules.auto_split:
        return "exactly 1 (splitting is off)."
    most = f"{rules.min_subtasks} to {rules.max_subtasks}"
    if judge(request) == "small":
        return f"{most}; or one, when one worker can do it all in one sitting, or when it cannot be divided."
    return f"{most}."


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
