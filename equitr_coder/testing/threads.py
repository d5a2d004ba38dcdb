"""Threads that are none: work given to them is done at once, so that schedules can be repeated exactly."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class InlineExecutor(ThreadPoolExecutor):
    """For `loop.set_default_executor`: `asyncio.to_thread` then takes one turn of the loop and no thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (whoever waits gets it, as from a real thread)
            future.set_exception(error)
        return future
