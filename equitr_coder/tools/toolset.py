"""The tools of one session, narrowed by policy before anything is offered."""

from collections.abc import Iterable, Iterator, Mapping

from equitr_coder.domain.models import ToolSpec
from equitr_coder.ports import Tool


class Toolset(Mapping[str, Tool]):
    """Tools by name, in the order given: what is offered stays byte-identical, so that provider caches hit."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.spec.name in self._tools:
                raise ValueError(f"two tools are named {tool.spec.name}")
            self._tools[tool.spec.name] = tool

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(tool.spec for tool in self._tools.values())

    def only(self, names: Iterable[str]) -> "Toolset":
        """Those of `names` that are here; the order stays."""
        wanted = set(names)
        return Toolset(tool for name, tool in self._tools.items() if name in wanted)

    def without(self, names: Iterable[str]) -> "Toolset":
        unwanted = set(names)
        return Toolset(tool for name, tool in self._tools.items() if name not in unwanted)
