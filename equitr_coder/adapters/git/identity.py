"""Who our commits are by: the user where git knows one, else the product itself."""

import re

from equitr_coder.adapters.git.runner import Git
from equitr_coder.domain.frozen import frozen

NAME = "EQUITR Coder"
EMAIL = "equitrcoder@localhost"
_CRUD = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
"""What git takes away at both ends of names and addresses (`crud` in its ident.c)."""
_SIGNED = re.compile(r"(?P<name>[^<>]*)<(?P<email>[^<>]*)>")


@frozen
class Identity:
    """`is_known`: git has a name and an address that somebody configured."""

    is_known: bool
    committer: str = f"{NAME} <{EMAIL}>"
    """As git writes it."""

    def environment(self, author: str | None) -> dict[str, str]:
        """What to tell `git commit-tree`. `author` is `Name <address>`, or a name alone."""
        told = {} if self.is_known else _as("COMMITTER", NAME, EMAIL) | _as("AUTHOR", NAME, EMAIL)
        return told if author is None else told | _as("AUTHOR", *_parts(author))

    def author(self, author: str) -> str:
        """As git writes it."""
        name, email = _parts(author)
        return f"{name.strip(_CRUD)} <{email.strip(_CRUD)}>"


async def find_identity(git: Git) -> Identity:
    """Does git know the user without guessing from the machine's name?"""
    asked = [("user.useConfigOnly", "true")]
    said = await git.run("var", "GIT_COMMITTER_IDENT", config=asked, accept=(0, 128))
    if said.code != 0:
        return Identity(is_known=False)
    return Identity(is_known=True, committer=said.line.rpartition(">")[0] + ">")


def _parts(author: str) -> tuple[str, str]:
    signed = _SIGNED.fullmatch(author.strip())
    name, email = (signed["name"], signed["email"]) if signed else (author, EMAIL)
    return _plain(name) if name.strip(_CRUD) else NAME, _plain(email) if email.strip(_CRUD) else EMAIL


def _as(part: str, name: str, email: str) -> dict[str, str]:
    return {f"GIT_{part}_NAME": name, f"GIT_{part}_EMAIL": email}


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[<>\x00-\x1f]", " ", text).split())
