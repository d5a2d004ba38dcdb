"""The lines of one hunk, marked by their first character: a space stays, `-` goes, `+` comes."""

from dataclasses import dataclass, field

from equitr_coder.tools.edits.change import Change


@dataclass
class HunkLines:
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    kept: list[tuple[int, int]] = field(default_factory=list)
    blank_tail: int = 0
    """Empty lines at its end so far: they may only separate it from what follows."""

    def take(self, line: str) -> bool:
        """False, and nothing taken, when the line has no mark. An empty one has lost its space."""
        mark = line[:1]
        if mark not in ("", " ", "-", "+"):
            return False
        self.blank_tail = 0 if line else self.blank_tail + 1
        if mark in ("", " "):
            self.kept.append((len(self.old), len(self.new)))
        if mark != "+":
            self.old.append(line[1:])
        if mark != "-":
            self.new.append(line[1:])
        return True

    def drop_blank_tail(self) -> None:
        if self.blank_tail:
            del self.old[-self.blank_tail :], self.new[-self.blank_tail :], self.kept[-self.blank_tail :]
            self.blank_tail = 0

    @property
    def is_empty(self) -> bool:
        return not self.old and not self.new

    @property
    def adds_only(self) -> bool:
        return not self.old

    @property
    def removes_only(self) -> bool:
        return not self.new

    def change(self) -> Change:
        return Change(tuple(self.old), tuple(self.new), tuple(self.kept), whole=True)
