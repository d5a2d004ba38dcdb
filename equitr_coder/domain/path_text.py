"""Names of files as text. To Linux a name is bytes; what is no UTF-8 of it is half surrogates in Python, which no log,
no model and no terminal takes.
"""

from typing import Annotated

from pydantic import AfterValidator


def is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(path: str) -> str:
    r"""The path with what is no text of it as `\xe9`. Good for reading; it opens no file any more."""
    return path if is_text(path) else path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


ShownPath = Annotated[str, AfterValidator(shown)]
"""A path that is told and never opened."""
