from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.code_map.lexicon import Lexicon, digest_of
from equitr_coder.adapters.sqlite.outlines import DamagedCacheError, Digest, Outline, OutlineCache

SAMPLE = ("a", "ab", "abc", "b", "größe", "valid?", "do!", "$x", "\U00020000")
NAMES = st.lists(st.sampled_from(SAMPLE), max_size=5)
ROWS = st.lists(st.tuples(NAMES, NAMES), max_size=12)


@given(ROWS, st.integers(0, 12))
def test_a_name_is_found_where_it_is_defined_however_much_of_it_the_digest_holds(
    rows: list[tuple[list[str], list[str]]], covered: int
) -> None:
    whole = [(f"key{number}", " ".join(names), f" {' '.join(uses)} ") for number, (names, uses) in enumerate(rows)]
    digest = digest_of((number, *row) for number, row in enumerate(whole[:covered], start=3))

    lexicon = Lexicon(digest)
    for row in whole[covered:]:
        lexicon.add(*row)

    assert digest.upto == (2 + len(whole[:covered]) if whole[:covered] else 0)
    assert list(zip(lexicon.keys, lexicon.names, (uses.decode() for uses in lexicon.uses), strict=True)) == whole
    for name in (*SAMPLE, "", "c"):
        expected = [number for number, (names, _) in enumerate(rows) if name in names]
        assert list(lexicon.definers(name)) == expected


def test_a_row_after_the_digest_is_read_though_it_took_the_place_of_one_in_it(tmp_path: Path) -> None:
    with OutlineCache(tmp_path / "a.db", version=1) as cache:
        cache.put([("a", Outline.empty()), ("b", Outline.empty())])
        cache.keep_digest(Digest(2, b"a\0b", b"\n", b"  \n  "))
        cache.put([("a", Outline.empty())])

        assert [(number, key) for number, key, *_ in cache.after(2)] == [(3, "a")]


def test_a_row_that_should_be_there_and_is_not_is_damage(tmp_path: Path) -> None:
    with OutlineCache(tmp_path / "a.db", version=1) as cache, pytest.raises(DamagedCacheError):
        cache.definitions("gone")
