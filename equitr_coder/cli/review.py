"""The review of a plan at a terminal: show, revise, edit by hand, approve, or quit without a trace."""

import asyncio
from typing import Literal

import click

from equitr_coder.domain.commands import ApprovePlan, EditDocument, RejectPlan, ReviseDocument
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.ports import RunApi
from equitr_coder.presentation.cost_forecast import with_what_is_left
from equitr_coder.presentation.person import Person
from equitr_coder.presentation.plan import plan_lines, task_lines
from equitr_coder.presentation.text import Line, Tone, prose, shorten, shown_on_one_line

DocumentName = Literal["requirements", "design", "todos"]
_DOCUMENTS: tuple[DocumentName, ...] = ("requirements", "design", "todos")
_HELP = (
    Line("  approve               fix the plan and start the workers"),
    Line("  show NAME             read requirements, design, todos, the plan, or one task"),
    Line("  revise NAME WORDS     ask the planner to change one document"),
    Line("  edit NAME             change it yourself in $EDITOR"),
    Line("  quit                  end here; nothing stays in the repository"),
)
_WORDS = "approve, show, revise, edit or quit"
_LONGEST_WORD = 40


class Review:
    """Asks about each plan once, and again after it has changed."""

    def __init__(self, api: RunApi, person: Person, *, is_resumed: bool = False) -> None:
        """In a resumed run the plan was printed long ago: it is shown again."""
        self._api = api
        self._person = person
        self._shows_plan = is_resumed
        self._seen: tuple[object, ...] | None = None
        self._decided: set[RunId] = set()
        """Approved or rejected: what the log still tells of the review's own steps opens no other one."""

    async def attend(self, known: RunView) -> None:
        """Review the plan if one waits for approval and was not reviewed in this form."""
        if known.run in self._decided or not _waits(known) or self._form(known) == self._seen:
            return
        view = await self._api.view(known.run)
        if not _waits(view) or self._form(view) == self._seen:
            return
        self._seen = self._form(view)
        if self._shows_plan and view.plan is not None:
            self._person.show(_plan_lines(view, self._person.width))
        self._shows_plan = False
        self._person.show([Line("Review the plan:", Tone.STRONG), *_HELP])
        while not await self._step(view):
            view = await self._api.view(known.run)
            self._seen = self._form(view)

    async def _step(self, view: RunView) -> bool:
        """One answer; True when the review is over for now."""
        typed = await self._person.ask("review> ", fresh=True)
        if typed is None:
            return True
        word, _, rest = typed.partition(" ")
        try:
            match word.lower():
                case "approve" | "a" | "/run":
                    await self._api.submit(ApprovePlan(run=view.run))
                    self._decided.add(view.run)
                    return True
                case "quit" | "q" | "/quit":
                    await self._api.submit(RejectPlan(run=view.run))
                    self._decided.add(view.run)
                    return True
                case "show" | "s":
                    self._show(view, rest.strip())
                case "revise" | "r":
                    return await self._revise(view, rest.strip())
                case "edit" | "e":
                    await self._edit_document(view, rest.strip())
                case "help" | "h" | "?" | "/help":
                    self._person.show(_HELP)
                case "":
                    self._person.show([Line(f"Type {_WORDS}.")])
                case _:
                    unknown = shorten(shown_on_one_line(word), _LONGEST_WORD)
                    self._person.show([Line(f"`{unknown}` means nothing here. Type {_WORDS}; `help` explains them.")])
        except UserError as error:
            self._person.show([Line(f"error: {error}", Tone.BAD), Line(f"hint: {error.hint}")])
        return False

    def _show(self, view: RunView, name: str) -> None:
        assert view.plan is not None
        task = next((task for task in view.plan.tasks if task.id.lower() == name.lower()), None)
        if task is not None:
            self._person.show(task_lines(view.plan, task))
        elif name in ("", "plan"):
            self._person.show(_plan_lines(view, self._person.width))
        elif not any(document.startswith(name.lower().removesuffix(".md")) for document in _DOCUMENTS):
            hint = f"requirements, design, todos, plan, or a task such as {view.plan.tasks[0].id}"
            raise UserError(f"there is nothing called {name!r} to show", hint=hint)
        else:
            self._person.show([Line(text) for text in prose(_content(view, _document(name))).splitlines()])

    async def _revise(self, view: RunView, rest: str) -> bool:
        name, _, words = rest.partition(" ")
        document = _document(name)
        request = words.strip() or await self._person.ask(f"what should change in {document}> ")
        if not request:
            return False
        await self._api.submit(ReviseDocument(run=view.run, name=document, request=request))
        return True

    async def _edit_document(self, view: RunView, name: str) -> None:
        document = _document(name)
        text: str = _content(view, document)
        while True:
            edited = await asyncio.to_thread(edit_text, text)
            if edited is None or edited == _content(view, document):
                self._person.show([Line(f"{document} is unchanged.")])
                return
            try:
                await self._api.submit(EditDocument(run=view.run, name=document, content=edited))
            except UserError as error:
                self._person.show([Line(f"error: {error}", Tone.BAD), Line(f"hint: {error.hint}")])
                again = await self._person.ask("edit again, with your text kept (yes/no)> ", fresh=True)
                if again not in ("yes", "y"):
                    return
                text = edited
                continue
            changed = await self._api.view(view.run)
            self._person.show([Line(f"{document} is changed.", Tone.GOOD)])
            if document == "todos" and changed.plan is not None:
                self._person.show(_plan_lines(changed, self._person.width))
            return

    @staticmethod
    def _form(view: RunView) -> tuple[object, ...]:
        revisions = tuple((name, document.revision) for name, document in sorted(view.documents.items()))
        return (view.plan, revisions)


def edit_text(text: str) -> str | None:
    """The text as the person leaves it in $VISUAL or $EDITOR; None when it was not saved.

    Raises:
        UserError: the editor cannot be started.
    """
    try:
        return click.edit(text, extension=".md")
    except click.ClickException as error:
        raise UserError(
            error.format_message(), hint="set EDITOR to an editor that waits, for example EDITOR=nano"
        ) from error


def _plan_lines(view: RunView, width: int | None) -> list[Line]:
    assert view.plan is not None
    return plan_lines(view.plan, gaps=view.gaps, forecast=with_what_is_left(view), standing=view.standing, width=width)


def _waits(view: RunView) -> bool:
    """Whether a plan stands and only the person can say what becomes of it."""
    is_open = view.kind is not RunKind.CHAT and not view.is_approved and view.state is RunState.RUNNING
    is_settled = view.options.yes or view.options.approve_plan or view.options.plan_only
    return is_open and not is_settled and not view.questions and view.plan is not None


def _document(name: str) -> DocumentName:
    for document in _DOCUMENTS:
        if name and document.startswith(name.lower().removesuffix(".md")):
            return document
    raise UserError(
        f"there is no document {name!r}" if name else "which document?", hint="requirements, design or todos"
    )


def _content(view: RunView, name: DocumentName) -> str:
    if name not in view.documents:
        raise UserError(
            f"{name} is not written yet", hint="`show` names what is there; `revise` asks the planner for it"
        )
    return view.documents[name].content
