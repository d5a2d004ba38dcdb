"""What a person was shown of a project's settings, and a yes that holds for exactly that."""

from collections.abc import Awaitable, Callable

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.queries import Answer, Query, SetTrust, TrustAnswer, TrustQuery
from equitr_coder.presentation.listings import trust_lines
from equitr_coder.presentation.text import Line, Tone

CHANGED = Line("It changed after it was shown, so nothing was trusted. This is what stands there:", Tone.WARN)


class Trusting:
    def __init__(self, query: Callable[[Query], Awaitable[Answer]]) -> None:
        self._query = query
        self.shown: TrustAnswer | None = None

    async def look(self) -> TrustAnswer:
        answer = await self._query(TrustQuery())
        assert isinstance(answer, TrustAnswer)
        self.shown = answer
        return answer

    async def accept(self) -> TrustAnswer | None:
        """Trust what was shown last. None when something else stands there by now, which is then `shown`, untrusted.

        Raises:
            UserError: nothing was shown, there is nothing to trust, or it cannot be noted down.
        """
        shown = self.shown
        if shown is None:
            raise UserError("nothing has been shown yet", hint="/trust shows what would be trusted")
        try:
            answer = await self._query(SetTrust(trusted=True, content_hash=shown.content_hash))
        except UserError:
            if (await self.look()).content_hash == shown.content_hash:
                raise
            return None
        assert isinstance(answer, TrustAnswer)
        return answer

    async def do(self, rest: str) -> list[Line]:
        """`/trust` shows, `/trust yes` accepts what was shown.

        Raises:
            UserError: it is another word, or see `accept`.
        """
        if rest not in ("", "yes"):
            raise UserError(f"/trust takes yes or nothing, not {rest}", hint="/trust alone shows what would be trusted")
        if rest and (accepted := await self.accept()) is not None:
            return [*trust_lines(accepted)[:1], Line("It counts from the next start.")]
        answer = self.shown if rest and self.shown is not None else await self.look()
        lines = [CHANGED] if rest else []
        lines += trust_lines(answer)
        if answer.present and not answer.trusted:
            lines.append(Line("/trust yes accepts exactly this.", Tone.STRONG))
        return lines
