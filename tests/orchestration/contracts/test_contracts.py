"""Contracts and what came of them, as data: python.yaml and documents.yaml beside this file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from equitr_coder.domain.artifacts import ContractVerdict
from equitr_coder.orchestration.contracts.checking import compare
from equitr_coder.orchestration.contracts.findings import Finding
from equitr_coder.orchestration.contracts.sources import Sources, Tree

_FOLDER = Path(__file__).parent
CASES: list[dict[str, Any]] = [
    case for name in ("python", "documents") for case in yaml.safe_load((_FOLDER / f"{name}.yaml").read_text())
]
BROKEN = [case for case in CASES if "says" in case]
KEPT = [case for case in CASES if "says" not in case and "unchecked" not in case]
UNCHECKED = [case for case in CASES if "unchecked" in case]


def text_of(value: Any) -> str:
    if value == "REPEATED":
        return "word " * 10_000
    return value if isinstance(value, str) else json.dumps(value, indent=2)


def held(contract: str, files: Mapping[str, Any]) -> Finding:
    """As the host does it: asked again with more files until nothing is wanted."""
    real = {path: text_of(content) for path, content in files.items()}
    texts: dict[str, str | None] = {}
    while True:
        sources = Sources(Tree(frozenset(real), tuple(sorted(real))), texts)
        found = compare(contract, sources)
        if not sources.wanted:
            return found
        texts |= {path: real[path] for path in sources.wanted}


def names(cases: list[dict[str, Any]]) -> list[str]:
    return [case["name"] for case in cases]


@pytest.mark.parametrize("case", BROKEN, ids=names(BROKEN))
def test_a_broken_contract_is_found_and_its_difference_named(case: dict[str, Any]) -> None:
    found = held(text_of(case["contract"]), case["files"])

    assert found.verdict is ContractVerdict.BROKEN, found
    for words in case["says"]:
        assert words in found.detail
    assert len(found.detail.splitlines()) == len(case["says"]), found.detail


@pytest.mark.parametrize("case", KEPT, ids=names(KEPT))
def test_a_compatible_implementation_keeps_its_contract(case: dict[str, Any]) -> None:
    found = held(text_of(case["contract"]), case["files"])

    assert found.verdict is ContractVerdict.KEPT, found


@pytest.mark.parametrize("case", UNCHECKED, ids=names(UNCHECKED))
def test_what_cannot_be_decided_is_unchecked_and_says_why(case: dict[str, Any]) -> None:
    found = held(text_of(case["contract"]), case["files"])

    assert found.verdict is ContractVerdict.UNCHECKED, found
    assert case["unchecked"] in found.detail


def test_there_are_many_of_each() -> None:
    assert len(BROKEN) >= 60
    assert len(KEPT) >= 45
    assert len({*names(CASES)}) == len(CASES)
