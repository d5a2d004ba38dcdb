import json

from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.artifacts import ContractVerdict
from equitr_coder.domain.epic import ArtifactType
from equitr_coder.orchestration.contracts.extraction import extracted
from equitr_coder.orchestration.contracts.sources import Sources, Tree
from tests.orchestration.contracts.test_contracts import CASES, held, text_of

CODE = '''"""Orders."""

from dataclasses import dataclass, field

_SECRET = 1
RATE: float = 0.2


@dataclass
class Order:
    id: int
    tags: list[str] = field(default_factory=list)

    def total(self, rate: float = RATE) -> int:
        """The sum."""
        return 1

    @property
    def first(self) -> str:
        return self.tags[0]

    def _hidden(self) -> None: ...


async def fetch(order: int, /, *ids: int, limit: int = 3) -> list[Order]:
    return []


def _helper() -> None: ...
'''


def written(files: dict[str, str], kind: ArtifactType = ArtifactType.CONTRACTS) -> str:
    return extracted(kind, Sources(Tree(frozenset(files), tuple(sorted(files))), files))


def test_a_changed_module_is_published_as_its_signatures() -> None:
    text = written({"shop/orders.py": CODE, "tests/test_orders.py": "def test_it(): ...\n"})

    assert text.startswith("# shop/orders.py\n")
    assert "def total(self, rate: float=RATE) -> int: ..." in text
    assert "async def fetch(order: int, /, *ids: int, limit: int=3) -> list[Order]: ..." in text
    assert "tags: list[str] = field(default_factory=list)" in text
    for absent in ("_SECRET", "_hidden", "_helper", "return", "The sum", "test_it"):
        assert absent not in text


def test_what_the_host_publishes_is_kept_by_the_files_it_comes_from() -> None:
    kept = [case for case in CASES if all(isinstance(text, str) for text in case["files"].values())]
    checked = 0
    for case in [{"files": {"orders.py": CODE}}, *kept]:
        text = written(case["files"])
        found = held(text, case["files"])
        assert found.verdict is not ContractVerdict.BROKEN, (case, text, found)
        checked += found.verdict is ContractVerdict.KEPT
    assert checked > 60


def test_a_changed_schema_goes_before_code_where_schemas_are_promised() -> None:
    schema = json.dumps({"title": "Order", "type": "object", "properties": {"id": {"type": "integer"}}})
    files = {"orders.py": CODE, "order.json": schema}

    assert written(files, ArtifactType.SCHEMAS) == f"# order.json\n{schema}\n"
    assert written(files, ArtifactType.TYPES).startswith("# orders.py\n")


def test_other_files_are_named() -> None:
    assert written({"schema.sql": "CREATE TABLE orders (id INTEGER);\n"}) == "Changed files:\n- schema.sql\n"
    assert written({}) == "Nothing was changed for this: what was promised was there before."


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,6}\.(py|json|sql|yaml)", fullmatch=True), st.text(max_size=200), max_size=4)
)
def test_something_is_always_published(files: dict[str, str]) -> None:
    assert written(files).strip()


@given(st.text(max_size=300), st.sampled_from(CASES))
def test_no_content_and_no_file_makes_a_comparison_fail(noise: str, case: dict[str, object]) -> None:
    contract = text_of(case["contract"])

    assert held(noise, {"a.py": contract, "b.json": noise}).verdict in ContractVerdict
    assert held(contract, {"a.py": noise, "b.json": noise}).verdict in ContractVerdict
