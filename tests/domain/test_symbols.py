import pytest

from equitr_coder.domain.symbols import MODULE, can_be_read, changed_symbols

BEFORE = '''"""A shop."""

import os

LIMIT = 3


class Order:
    """What was bought."""

    rate: float = 0.2

    @property
    def total(self) -> int:
        return 1

    def tax(self) -> int:
        return 2


def ship(order):
    return order


if os.name == "posix":
    def sep(): return "/"
else:
    def sep(): return "\\\\"
'''


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("return 1", "return 10", ("Order.total",)),
        ("@property\n", "@cached\n", ("Order.total",)),
        ("What was bought", "What was sold", ("Order",)),
        ("class Order:", "class Order(Base):", ("Order",)),
        ("rate: float = 0.2", "rate: float = 0.3", ("Order.rate",)),
        ("LIMIT = 3", "LIMIT = 4", ("LIMIT",)),
        ("LIMIT = 3", "MOST = 3", ("LIMIT", "MOST")),
        ("import os\n", "import os\nfrom sys import path\n", ()),
        ("import os\n", 'import os\n\n__all__ = ["Order"]\n', ()),
        ("import os\n", "import os\n\nif TYPE_CHECKING:\n    import re\n", ()),
        ("LIMIT = 3\n", "LIMIT = 3\n\n# a remark\n", ()),
        ('return "/"', 'return "|"', ("sep",)),
        ("def ship(order):\n    return order\n", "", ("ship",)),
        ("LIMIT = 3\n", "LIMIT = 3\nprint(LIMIT)\n", (MODULE,)),
        ('"""A shop."""', '"""A store."""', (MODULE,)),
    ],
)
def test_a_change_is_named_by_the_parts_it_touches(old: str, new: str, expected: tuple[str, ...]) -> None:
    assert old in BEFORE

    assert changed_symbols(BEFORE.encode(), BEFORE.replace(old, new).encode()) == expected


def test_a_new_or_deleted_file_touches_all_its_parts() -> None:
    names = ("A", "A.b", "c")
    source = b"class A:\n    def b(self): ...\n\ndef c(): ...\n"

    assert changed_symbols(None, source) == changed_symbols(source, None) == names
    assert changed_symbols(source, source) == ()


@pytest.mark.parametrize("source", [b"def (:", b"\xff\xfe\x00", b"x = 1\x00"])
def test_what_is_no_python_has_no_parts(source: bytes) -> None:
    assert changed_symbols(source, b"x = 1\n") is None


def test_only_python_can_be_told_apart() -> None:
    assert [can_be_read(path) for path in ("a.py", "a.pyi", "a.ts", "py")] == [True, True, False, False]
