"""The tasks of a run: as a list, and as a graph in layers from left to right."""

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.ids import TaskId
from equitr_coder.presentation.dashboard import Dashboard, TaskRow
from equitr_coder.presentation.figures import coins
from equitr_coder.presentation.rows import Ink, Row, Span, apart, fit, row
from equitr_coder.presentation.text import cells, pad, shorten
from equitr_coder.tui.draw.blocks import Block, title

_ARROW = "──> "
_NARROW_GRAPH = 60
_NODE = 22
_NAMES_MONEY, _SHORT_WORDS = 44, 7


def task_blocks(board: Dashboard, width: int) -> list[Block]:
    """A heading with the critical path, then a block for each task, keyed by its id."""
    path = f"  critical path: {' '.join(board.critical_path)}" if board.critical_path else ""
    blocks = [Block("", (fit(row(" ", title("TASKS"), Span(path, Ink.DIM)), width),))]
    return [*blocks, *(Block(task.id, (task_row(task, width),)) for task in board.tasks)]


def task_row(task: TaskRow, width: int) -> Row:
    money = coins(task.usd) if task.usd else ""
    words = Span(shorten(task.words, max(8, width // 2)), ink_of(task))
    has_money = width >= _NAMES_MONEY or (money and cells(task.words) < _SHORT_WORDS)
    right = row(words, f" {money:>6}" if has_money else "", " ")
    mark = Span(f" {task.glyph} ", ink_of(task), bold=True)
    name = Span(f"{task.id} ", bold=task.is_critical, underline=task.is_critical)
    return apart(row(mark, name, task.title), right, width)


def ink_of(task: TaskRow) -> Ink:
    if task.wait is not None and task.wait.is_person:
        return Ink.ASK
    match task.state:
        case TaskState.DONE:
            return Ink.OK
        case TaskState.FAILED | TaskState.BLOCKED:
            return Ink.BAD
        case TaskState.WAITING | TaskState.CANCELLED:
            return Ink.DIM
        case _:
            return Ink.TEXT


def graph_blocks(board: Dashboard, width: int) -> list[Block]:
    """A row for each task in a layer behind all that it needs, with an arrow from each of them; as a list where there
    is no room. Rows stand in the order of the layers, so that what is to the left of a task is above it.
    """
    layers = _layers(board)
    if width < _NARROW_GRAPH or not layers:
        return task_blocks(board, width)
    depth = max(layers.values()) + 1
    step = max(12, min(_NODE + len(_ARROW), (width - 2) // depth))
    heading = Block("", (fit(row(" ", title("GRAPH"), Span("  left needs nothing; g: list", Ink.DIM)), width),))
    order = sorted(board.tasks, key=lambda task: layers[task.id])
    return [heading, *(Block(task.id, (_node(task, layers[task.id], step, width),)) for task in order)]


def _node(task: TaskRow, layer: int, step: int, width: int) -> Row:
    needs = ",".join(task.needs)
    if not needs:
        lead = row(" ")
    else:
        room = layer * step - len(_ARROW) - 1
        lead = row(" ", Span(f"{pad(shorten(needs, room), 0):>{max(0, room)}} ", Ink.DIM), Span(_ARROW, Ink.DIM))
        lead = fit(lead, max(layer * step + 1, len(_ARROW) + 2))
    used = sum(cells(span.text) for span in lead)
    mark = Span(f"{task.glyph} ", ink_of(task), bold=True)
    name = Span(f"{task.id} ", bold=True, underline=task.is_critical)
    return apart((*lead, *row(mark, name, shorten(task.title, max(6, width - used - 24)))),
                 row(Span(shorten(task.words, 22), ink_of(task)), " "), width)  # fmt: skip


def _layers(board: Dashboard) -> dict[TaskId, int]:
    """Task -> the length of the longest way to it."""
    needs = {task.id: task.needs for task in board.tasks}
    layers: dict[TaskId, int] = {}
    for _ in needs:
        for task, before in needs.items():
            layers[task] = max((layers.get(need, 0) + 1 for need in before if need in needs), default=0)
    return layers
