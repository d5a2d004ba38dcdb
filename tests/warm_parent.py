"""The parent of `tests.warm`: imports the product, then forks one process for each order and tells how it ended."""

import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import selectors
import socket
import sys

_FDS = 5


def _serve(orders: socket.socket) -> list[int]:
    """Answers orders until there are no more. In a child it returns the descriptors of the child's own order."""
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        children: dict[int, tuple[int, int]] = {}
        while True:
            for key, _ in selector.select():
                if key.fileobj is not orders:
                    selector.unregister(key.fd)
                    pid, tells = children.pop(key.fd)
                    os.close(key.fd)
                    _tell(tells, os.waitpid(pid, 0)[1])
                    os.close(tells)
                    continue
                message, fds, _, _ = socket.recv_fds(orders, 1, _FDS)
                if not message:
                    return []
                pid = os.fork()
                if pid == 0:
                    return fds
                tells = fds.pop()
                for fd in fds:
                    os.close(fd)
                watched = os.pidfd_open(pid)
                children[watched] = (pid, tells)
                selector.register(watched, selectors.EVENT_READ)
                _tell(tells, pid)


def _tell(fd: int, number: int) -> None:
    try:
        os.write(fd, b"%08d" % number)
    except BrokenPipeError:
        return  # nobody asks any more


def _become(fds: list[int]) -> dict[str, object]:
    """What the kernel and the interpreter do for a new process."""
    spec, *streams, _ = fds
    order: dict[str, object] = json.loads(os.pread(spec, os.fstat(spec).st_size, 0))
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
    os.closerange(3, max(1024, *fds) + 1)
    os.setsid()
    return order


def _streams() -> None:
    """New ones on the new descriptors, as the interpreter would open them."""
    for name, fd in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        raw = io.FileIO(fd, "r" if fd == 0 else "w", closefd=False)
        buffered = io.BufferedReader(raw) if fd == 0 else io.BufferedWriter(raw)
        made = io.TextIOWrapper(buffered, encoding=old.encoding, errors=old.errors, line_buffering=fd == 2)
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)


_LEFT_OUT = ("demo", "repl", "testing", "tui", "adapters.keys", "adapters.litellm")
"""What a command imports only when it has to, and which is large."""


def _warm_up() -> None:
    """What most commands import and build on their way, before there is one."""
    import equitr_coder.app
    from equitr_coder.domain.events import EVENTS
    from equitr_coder.domain.value import Value

    left_out = tuple(f"{equitr_coder.__name__}.{name}" for name in _LEFT_OUT)
    for found in pkgutil.walk_packages(equitr_coder.__path__, "equitr_coder."):
        if not found.name.startswith(left_out) and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    values = [Value]
    while values:
        value = values.pop()
        value.model_rebuild()
        values += value.__subclasses__()
    EVENTS.rebuild()
    for module in [module for name, module in sys.modules.items() if name.startswith("equitr_coder.tools.")]:
        for made in vars(module).values():
            getattr(made, "spec", None)


def main() -> int:
    """The loop, and in each child the product's own `main`."""
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # as the command does before it imports anything
    from equitr_coder.__main__ import main as command

    _warm_up()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        fds = _serve(orders)
        if not fds:
            return 0
        order = _become(fds)
        orders.detach()  # closed with all others
    _streams()
    os.chdir(str(order["cwd"]))
    os.environ.clear()
    os.environ.update(order["environ"])  # type: ignore[call-overload]
    script = order["script"]
    sys.argv = [str(script or sys.argv[0]), *order["arguments"]]  # type: ignore[misc]
    if script is not None:
        runpy.run_path(str(script), run_name="__main__")
        return 0
    return command()


if __name__ == "__main__":
    del sys.path[0]
    sys.exit(main())
