"""A run at work: its tasks, its workers, what they share and what it costs, all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Horizontal, Vertical

from equitr_coder.domain.commands import Interrupt
from equitr_coder.domain.ids import TaskId
from equitr_coder.presentation.rows import Ink, Row, Span, row
from equitr_coder.tui.ask_line import AskLine
from equitr_coder.tui.block_pane import BlockPane
from equitr_coder.tui.boards import Boards
from equitr_coder.tui.budget import raise_budget
from equitr_coder.tui.draw.blocks import Block
from equitr_coder.tui.draw.run_header import TABS as WIDE
from equitr_coder.tui.draw.run_header import header_rows
from equitr_coder.tui.draw.run_lanes import lane_blocks
from equitr_coder.tui.draw.run_rest import (
    conflict_blocks,
    merge_rows,
    money_row,
    money_rows,
    receipt_rows,
    sync_blocks,
    workload_rows,
)
from equitr_coder.tui.draw.run_tasks import graph_blocks, task_blocks
from equitr_coder.tui.keys import Key
from equitr_coder.tui.lane_blocks import LaneBlocks
from equitr_coder.tui.layout import PROMPT
from equitr_coder.tui.place import Place
from equitr_coder.tui.rows_pane import Bar, RowsPane
from equitr_coder.tui.transcript_pane import TranscriptPane
from equitr_coder.tui.worker_keys import hold_or_release, stop

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from equitr_coder.presentation.dashboard import Dashboard, Lane
    from equitr_coder.tui.desk import Desk
    from equitr_coder.tui.followed import FollowedRun

_TABS = ("lanes", "tasks", "sync", "merge", "money")
_PANES = {
    "lanes": "#run-lanes",
    "tasks": "#run-tasks",
    "sync": "#run-sync",
    "merge": "#run-merge",
    "money": "#run-money",
}
_SIDE = (140, 40)
"""From this size on the chosen lane stands beside the lanes."""

WORKER_KEYS = (
    Key(("p",), "p", "hold or go on", "hold", "lane"),
    Key(("x",), "x", "stop this task", "stop_task", "lane"),
    Key(("r",), "r", "redirect", "redirect", "lane"),
)


class Run(Place):
    NAME: ClassVar[str] = "run"
    TITLE: ClassVar[str] = "run"
    KEYS: ClassVar[tuple[Key, ...]] = (
        Key(("enter",), "Enter", "open this lane", "choose", "run"),
        *(Key((str(n),), str(n), f"lane {n}", f"lane({n})", "run") for n in range(1, 10)),
        Key(("p",), "p", "hold or go on", "hold", "run", in_footer=True),
        Key(("x",), "x", "stop this task", "stop_task", "run", in_footer=True),
        Key(("r",), "r", "redirect", "redirect", "run", in_footer=True),
        Key(("P",), "P", "pause or resume the run", "pause_run", "run"),
        Key(("b",), "b", "raise the budget", "budget", "run", in_footer=True),
        Key(("g",), "g", "graph or list", "graph", "run"),
        Key(("left_square_bracket",), "[", "pane before", "turn(-1)", "run"),
        Key(("right_square_bracket",), "]", "next pane", "turn(1)", "run"),
        Key(("alt+left",), "Alt+Left", "addressee before", "address(-1)"),
        Key(("alt+right",), "Alt+Right", "next addressee", "address(1)"),
    )

    DEFAULT_CSS = """
    Run { layers: base menu; }
    Run #run-head { height: 2; }
    Run #run-tabs { height: 1; display: none; }
    Run #run-left { width: 34; border-right: solid $line; }
    Run #run-tasks { height: 1fr; }
    Run #run-sync { height: auto; max-height: 8; border-top: solid $line; }
    Run #run-right { width: 1fr; }
    Run #run-lanes { height: 1fr; }
    Run #run-merge { height: auto; max-height: 8; border-top: solid $line; }
    Run #run-money { height: auto; max-height: 3; }
    Run #run-beside { width: 1fr; border-left: solid $line; display: none; }
    Run.-tabs #run-head { height: 2; }
    Run.-tabs #run-tabs { display: block; }
    Run.-tabs #run-left, Run.-tabs #run-right { width: 1fr; border: none; }
    Run.-tabs #run-sync, Run.-tabs #run-merge { border: none; height: 1fr; max-height: 100h; }
    Run.-tabs #run-money { height: 1fr; max-height: 100h; }
    Run.-one #run-head { height: 1; }
    Run.-beside #run-beside { display: block; }
    Run.-beside #run-left { width: 46; }
    Run.-beside #run-money { max-height: 12; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._boards = Boards(desk)
        self._tab = "lanes"
        self._is_graph = False
        self._beside = LaneBlocks()

    def compose(self) -> ComposeResult:
        yield Bar(id="run-head")
        yield Bar(id="run-tabs")
        with Horizontal(id="run-panes"):
            with Vertical(id="run-left"):
                yield BlockPane(id="run-tasks")
                yield BlockPane(id="run-sync")
            with Vertical(id="run-right"):
                yield BlockPane(id="run-lanes")
                yield BlockPane(id="run-merge")
                yield RowsPane(id="run-money")
            yield TranscriptPane(id="run-beside")

    # ------------------------------------------------------------ drawing

    def show(self) -> None:
        run = self.desk.run
        self._lay_out()
        if run is None:
            self.query_one("#run-head", Bar).show([row(" no run is in focus; F6 lists them")])
            return
        board = self._boards.of(run)
        width = self.size.width
        self.query_one("#run-head", Bar).show(header_rows(board, width))
        self.query_one("#run-tabs", Bar).show([self._tabs()])
        self._tasks(board)
        self._pane("#run-sync").tell(sync_blocks(board, self._room("#run-sync")))
        self._lanes(board)
        self._merge(board)
        self._money(board)
        if self.has_class("-beside"):
            self._show_beside(run, board)

    def on_block_pane_resized(self, message: BlockPane.Resized) -> None:
        """Panes have got their room."""
        message.stop()
        if self.display:
            self.show()

    def _lay_out(self) -> None:
        width, height = self.app.size
        is_tabbed = width < WIDE
        self.set_class(is_tabbed, "-tabs")
        self.set_class(width < 60, "-one")
        self.set_class(width >= _SIDE[0] and height >= _SIDE[1], "-beside")
        for name, pane in _PANES.items():
            self.query_one(pane).display = not is_tabbed or name == self._tab
        self.query_one("#run-left").display = not is_tabbed or self._tab in ("tasks", "sync")
        self.query_one("#run-right").display = not is_tabbed or self._tab in ("lanes", "merge", "money")

    def _tasks(self, board: Dashboard) -> None:
        width = self._room("#run-tasks")
        self._pane("#run-tasks").tell(graph_blocks(board, width) if self._is_graph else task_blocks(board, width))

    def _lanes(self, board: Dashboard) -> None:
        pane, width = self._pane("#run-lanes"), self._room("#run-lanes")
        if board.header.state in ("completed", "failed", "cancelled"):
            pane.tell([Block("", tuple(receipt_rows(board, width)))])
        else:
            pane.tell(lane_blocks(board, width, pane.size.height))

    def _merge(self, board: Dashboard) -> None:
        width = self._room("#run-merge")
        self._pane("#run-merge").tell([Block("", tuple(merge_rows(board, width))), *conflict_blocks(board, width)])

    def _money(self, board: Dashboard) -> None:
        pane, width = self.query_one("#run-money", RowsPane), self._room("#run-money")
        if self.has_class("-tabs"):
            pane.show(money_rows(board, width))
        elif self.has_class("-beside"):
            pane.show([money_row(board, width), *workload_rows(board, width)])
        else:
            pane.show([money_row(board, width)])

    def _show_beside(self, run: FollowedRun, board: Dashboard) -> None:
        lane, pane = self._chosen_lane(board), self.query_one(TranscriptPane)
        if lane is None or lane.session is None:
            pane.tell(())
            return
        opened = run.open_text.get(lane.session, "")
        pane.tell(self._beside.of(run.view.sessions.get(lane.session)), opened=opened)

    def _tabs(self) -> Row:
        parts: list[str | Span] = [" "]
        for name in _TABS:
            is_open = name == self._tab
            parts += [Span(name, Ink.ACCENT if is_open else Ink.DIM, bold=is_open, underline=is_open), " | "]
        return row(*parts[:-1], Span("   [ and ] switch", Ink.DIM))

    def _pane(self, name: str) -> BlockPane:
        return self.query_one(name, BlockPane)

    def _room(self, name: str) -> int:
        return max(10, self.query_one(name, RowsPane).content_size.width)

    # ------------------------------------------------------------ who is meant

    def _board(self) -> Dashboard | None:
        return self._boards.of(self.desk.run) if self.desk.run is not None else None

    def _chosen_lane(self, board: Dashboard) -> Lane | None:
        key = self._pane("#run-lanes").key
        return board.lane(int(key)) if key.isdecimal() else None

    def _chosen_task(self) -> TaskId | None:
        """Of the pane that has the focus: a task in the list, the task of a lane."""
        board = self._board()
        if board is None:
            return None
        if self._pane("#run-tasks").has_focus:
            return TaskId(self._pane("#run-tasks").key) or None
        lane = self._chosen_lane(board)
        return lane.task if lane is not None else None

    # ------------------------------------------------------------ keys

    def on_rows_pane_chosen(self, message: RowsPane.Chosen) -> None:
        if not isinstance(message.pane, BlockPane):
            return
        message.stop()
        key = message.pane.key_at(message.index)
        if message.pane.id == "run-merge" and key:
            self.desk.open("inbox")
        elif message.pane.id in ("run-lanes", "run-tasks") and (task := self._chosen_task()) is not None:
            self.desk.selected_task = task
            self.desk.open("lane")

    def on_rows_pane_cursor_moved(self, message: RowsPane.CursorMoved) -> None:
        message.stop()
        if message.pane.has_focus and message.pane.id in ("run-lanes", "run-tasks"):
            self.desk.selected_task = self._chosen_task()
            self.desk.changed()

    def action_choose(self) -> None:
        """Stands in help; the panes themselves take Enter."""

    def action_lane(self, number: int) -> None:
        board = self._board()
        lane = board.lane(number) if board is not None else None
        if lane is None:
            return
        self._tab = "lanes"
        self._pane("#run-lanes").choose(str(number))
        self.desk.selected_task = lane.task
        self.desk.changed()
        self._pane("#run-lanes").focus()

    def action_turn(self, by: int) -> None:
        """To the next tab where panes are tabs, else to the next pane."""
        if self.has_class("-tabs"):
            self._tab = _TABS[(_TABS.index(self._tab) + by) % len(_TABS)]
            self.show()
            self.query_one(_PANES[self._tab]).focus()
            return
        names = [name for name in _TABS if self.query_one(_PANES[name]).has_focus]
        at = _TABS.index(names[0]) + by if names else 0
        self.query_one(_PANES[_TABS[at % len(_TABS)]]).focus()

    def action_graph(self) -> None:
        self._is_graph = not self._is_graph
        self._pane("#run-tasks").focus()
        self.show()

    def action_address(self, by: int) -> None:
        """Whom the prompt speaks to: each worker in turn, then nobody in particular."""
        board = self._board()
        tasks = [lane.task for lane in board.lanes if lane.task is not None] if board is not None else []
        choices: list[TaskId | None] = [None, *tasks]
        now = self.desk.selected_task
        at = choices.index(now) if now in choices else 0
        self.desk.selected_task = choices[(at + by) % len(choices)]
        self.desk.changed()

    def action_redirect(self) -> None:
        """What is typed next goes to this worker before its next model call."""
        task = self._chosen_task()
        if task is None:
            self.desk.say("no worker is chosen", "1-9 or the arrows choose a lane")
            return
        self.desk.selected_task = task
        self.screen.query_one(f"#{PROMPT}").focus()
        self.desk.say(f"what you send now reaches {task} at its next step")

    def action_hold(self) -> None:
        hold_or_release(self.desk, self._chosen_task())

    def action_stop_task(self) -> None:
        stop(self.desk, self._chosen_task())

    def action_pause_run(self) -> None:
        run = self.desk.run
        if run is None:
            return
        if run.is_live:
            self.desk.do(self.desk.api.submit(Interrupt(run=run.run)))
        else:
            self.desk.go_on(run.run)

    def action_budget(self) -> None:
        run = self.desk.run
        if run is not None and not self.query(AskLine):
            self.mount(AskLine(f"new budget of {run.view.epic or run.run}: $", purpose="budget"))

    def on_ask_line_answered(self, message: AskLine.Answered) -> None:
        message.stop()
        self._pane("#run-lanes").focus()
        if self.desk.run is not None and message.text:
            raise_budget(self.desk, self.desk.run, message.text)

    def back(self) -> bool:
        for line in self.query(AskLine):
            line.close()
            self._pane("#run-lanes").focus()
            return True
        return False
