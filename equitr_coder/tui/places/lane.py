"""One worker, full screen: its transcript as it grows, its todos, its files, its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from equitr_coder.presentation.rows import row
from equitr_coder.tui.boards import Boards
from equitr_coder.tui.draw.lane import TABS, Tab, call_rows, file_rows, lane_head, todo_rows
from equitr_coder.tui.keys import Key
from equitr_coder.tui.lane_blocks import LaneBlocks
from equitr_coder.tui.layout import PROMPT
from equitr_coder.tui.place import Place
from equitr_coder.tui.rows_pane import Bar, RowsPane
from equitr_coder.tui.transcript_pane import TranscriptPane
from equitr_coder.tui.worker_keys import hold_or_release, stop

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from equitr_coder.presentation.dashboard import Lane as LaneValues
    from equitr_coder.tui.desk import Desk
    from equitr_coder.tui.followed import FollowedRun


class Lane(Place):
    NAME: ClassVar[str] = "lane"
    TITLE: ClassVar[str] = "worker"
    KEYS: ClassVar[tuple[Key, ...]] = (
        *(Key((str(n),), str(n), f"lane {n}", f"lane({n})", "lane") for n in range(1, 10)),
        Key(("p",), "p", "hold or go on", "hold", "lane", in_footer=True),
        Key(("x",), "x", "stop this task", "stop_task", "lane", in_footer=True),
        Key(("r",), "r", "redirect", "redirect", "lane", in_footer=True),
        Key(("left_square_bracket",), "[", "tab before", "turn(-1)", "lane"),
        Key(("right_square_bracket",), "]", "next tab", "turn(1)", "lane", in_footer=True),
        Key(("y",), "y", "copy this block", "copy_block", "lane"),
    )

    DEFAULT_CSS = "Lane #lane-head { height: 3; } Lane #lane-rows { display: none; }"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._boards = Boards(desk)
        self._tab: Tab = "transcript"
        self._blocks = LaneBlocks()

    def compose(self) -> ComposeResult:
        yield Bar(id="lane-head")
        yield TranscriptPane(id="lane-transcript")
        yield RowsPane(id="lane-rows")

    def show(self) -> None:
        run, lane = self.desk.run, self._values()
        head, width = self.query_one("#lane-head", Bar), self.size.width
        is_talk = self._tab == "transcript"
        self.query_one("#lane-transcript").display = is_talk
        self.query_one("#lane-rows").display = not is_talk
        if run is None or lane is None or lane.task is None or lane.session is None:
            head.show([row(" no worker is chosen; F3 shows them")])
            return
        head.show(lane_head(lane, width, tab=self._tab))
        if is_talk:
            opened = run.open_text.get(lane.session, "")
            queued = [sent.content for sent in run.view.waiting_for(lane.task) if sent.sender == "user"]
            blocks = self._blocks.of(run.view.sessions.get(lane.session))
            self.query_one(TranscriptPane).tell(blocks, opened=opened, queued=queued)
        else:
            self._show_rows(run, lane, width - 1)

    def _show_rows(self, run: FollowedRun, lane: LaneValues, width: int) -> None:
        assert lane.task is not None
        assert lane.session is not None
        match self._tab:
            case "todos":
                drawn = todo_rows(run.view, run.happenings, lane.task, width)
            case "files":
                session = run.view.sessions.get(lane.session)
                drawn = file_rows(
                    run.happenings.recent(lane.session), session.changed if session is not None else {}, width
                )
            case _:
                drawn = call_rows(run.view, lane.task, width)
        self.query_one("#lane-rows", RowsPane).show(drawn)

    def _values(self) -> LaneValues | None:
        """The lane of the chosen task; of one that has none, what its last attempt left."""
        run, task = self.desk.run, self.desk.selected_task
        return self._boards.of(run).lane_of(task) if run is not None and task is not None else None

    # ------------------------------------------------------------ keys

    def action_lane(self, number: int) -> None:
        lane = self._boards.of(self.desk.run).lane(number) if self.desk.run is not None else None
        if lane is not None and lane.task is not None:
            self.desk.selected_task = lane.task
            self.desk.changed()

    def action_turn(self, by: int) -> None:
        had_focus = any(pane.has_focus for pane in self.query(RowsPane))
        self._tab = TABS[(TABS.index(self._tab) + by) % len(TABS)]
        self.show()
        if had_focus:
            self.query_one("#lane-transcript" if self._tab == "transcript" else "#lane-rows").focus()

    def action_hold(self) -> None:
        hold_or_release(self.desk, self.desk.selected_task)

    def action_stop_task(self) -> None:
        stop(self.desk, self.desk.selected_task)

    def action_redirect(self) -> None:
        self.screen.query_one(f"#{PROMPT}").focus()

    def action_copy_block(self) -> None:
        self.query_one(TranscriptPane).action_copy_block()

    def unfold(self) -> None:
        self.query_one(TranscriptPane).action_unfold()
