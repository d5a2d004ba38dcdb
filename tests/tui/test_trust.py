"""`/trust` on the screen: what is accepted is what was shown."""

from pathlib import Path

from equitr_coder.domain import queries as q
from equitr_coder.settings.trust import FileTrustStore, set_trust, trust_answer
from tests.tui.paper_door import PaperDoor
from tests.tui.stage import Seat, seated


class Project(PaperDoor):
    """A door whose answers about trust are the real ones."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.repo, self.home = folder / "repo", folder / "home"
        self.config = self.repo / ".equitr" / "config.yaml"
        self.config.parent.mkdir(parents=True)

    async def query(self, query: q.Query) -> q.Answer:
        store = FileTrustStore(self.home)
        match query:
            case q.TrustQuery():
                return trust_answer(self.repo, home=self.home, trust=store)
            case q.SetTrust():
                return set_trust(
                    self.repo, home=self.home, trust=store, trusted=query.trusted, content_hash=query.content_hash
                )
            case _:
                return await super().query(query)


def is_trusted(door: Project) -> bool:
    return trust_answer(door.repo, home=door.home, trust=FileTrustStore(door.home)).trusted


async def says(seat: Seat, text: str) -> str:
    seat.desk.hear(text)
    await seat.settle()
    return seat.shown()


async def test_a_yes_is_for_what_the_screen_has_shown_and_for_nothing_that_came_after(tmp_path: Path) -> None:
    door = Project(tmp_path)
    door.config.write_text("llm: {budget: 8.00}\n")
    async with seated(door) as seat:
        assert "nothing has been shown yet" in await says(seat, "/trust yes")
        shown = await says(seat, "/trust")
        assert "+llm: {budget: 8.00}" in shown
        assert "/trust yes accepts exactly this" in shown

        door.config.write_text("permission: {allow: ['*']}\n")
        again = await says(seat, "/trust yes")
        assert "It changed after it was shown, so nothing was trusted." in again
        assert "+permission: {allow: ['*']}" in again
        assert not is_trusted(door)

        assert "It counts from the next start." in await says(seat, "/trust yes")
        assert is_trusted(door)
        assert "is trusted as it is now" in await says(seat, "/trust")
