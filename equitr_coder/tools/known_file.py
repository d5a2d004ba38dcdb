"""A file may be changed only as this session knows it: read before, and the same on disk now."""

from collections.abc import Mapping

from equitr_coder.domain.errors import ToolFailure
from equitr_coder.ports import FileText, Workspace


async def read_known(workspace: Workspace, path: str, seen: Mapping[str, str]) -> FileText:
    """The file at the canonical `path`, certain to be what the session last read or wrote.

    Raises:
        ToolFailure: there is no such text file, the session has not read it, or it changed since.
    """
    file = await workspace.read(path)
    known = seen.get(path)
    if known is None:
        raise ToolFailure(
            f'{path} has not been read in this session; nothing was changed. Call read_file("{path}") first.'
        )
    if known != file.digest:
        raise ToolFailure(
            f'{path} changed on disk since it was read; nothing was changed. Read it again with read_file("{path}") '
            "and make the change on what it holds now."
        )
    return file


def with_plain_ends(text: str) -> str:
    """Line ends as `FileText.text` has them."""
    return text.replace("\r\n", "\n")
