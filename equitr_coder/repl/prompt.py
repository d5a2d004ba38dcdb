"""Opens the interactive session on one workspace."""

from pathlib import Path

from equitr_coder.domain.queries import ConfigAnswer, ConfigQuery, FilesAnswer, FilesQuery
from equitr_coder.ports import RunApi
from equitr_coder.presentation.listings import is_multi_agent
from equitr_coder.repl.conversation import Attendants, Conversation, Mode
from equitr_coder.repl.keyboard import Keyboard


async def open_prompt(api: RunApi, *, planning: bool, attendants: Attendants, history: Path | None) -> int:
    """`planning` opens with the planning conversation. Returns the exit code."""
    answer = await api.query(ConfigQuery())
    assert isinstance(answer, ConfigAnswer)
    files = await api.query(FilesQuery())
    assert isinstance(files, FilesAnswer)
    keyboard = Keyboard(history=history, files=files.files)
    mode = Mode(multi_agent=is_multi_agent(answer), plans_first=planning)
    return await Conversation(api=api, keyboard=keyboard, attendants=attendants, mode=mode).hold()
