"""A planning document in the person's editor. What is not accepted is kept and offered again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equitr_coder.domain import commands as c
from equitr_coder.domain.errors import UserError
from equitr_coder.tui.editor import edit_text

if TYPE_CHECKING:
    from textual.app import App

    from equitr_coder.domain.ids import RunId
    from equitr_coder.domain.run_view import RunView
    from equitr_coder.presentation.review import DocumentName
    from equitr_coder.tui.desk import Desk


class DocumentEditing:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept: dict[tuple[RunId, DocumentName], str] = {}
        """What the person wrote and the planner's rules refused."""

    async def edit(self, app: App[int], view: RunView, name: DocumentName) -> None:
        """Raises:
        UserError: there is nothing to edit, or the text cannot be read; it names the line, and the text is kept.
        """
        if view.is_approved:
            raise UserError("the plan is approved and fixed", hint="start another epic for further changes")
        if name not in view.documents:
            raise UserError(f"{name}.md is not written yet", hint="answer the supervisor's questions first")
        key = (view.run, name)
        kept = self._kept.pop(key, None)
        text = kept if kept is not None else view.documents[name].content
        edited = await edit_text(app, text, self._desk.edit)
        content = edited if edited is not None else kept
        if content is None or content == view.documents[name].content:
            self._desk.say(f"{name}.md is unchanged")
            return
        try:
            await self._desk.api.submit(c.EditDocument(run=view.run, name=name, content=content))
        except UserError as error:
            self._kept[key] = content
            raise UserError(str(error), hint=f"your text is kept: edit again to go on with it; {error.hint}") from error
        self._desk.say(f"{name}.md is changed")
