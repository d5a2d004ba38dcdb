import asyncio
import os
import random
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equitr_coder.adapters.code_map import parse
from equitr_coder.adapters.code_map.maps import BYTES_PER_TOKEN, LocalCodeMaps, in_batches, read_records
from equitr_coder.adapters.sqlite.outlines import Digest, OutlineCache
from equitr_coder.adapters.tokens.encodings import Encodings
from equitr_coder.domain.code_map import CodeMap, map_text
from tests.adapters.code_map.conftest import Draw, git, put, shown

QUESTION = "why does place_order fail?"


async def test_a_map_shows_what_is_asked_for_and_what_that_uses(repository: Path, draw: Draw) -> None:
    drawn = await draw(repository, QUESTION)

    assert map_text(drawn) == (
        "shop/orders.py\n    4 class OrderBook:\n    5     def place_order(self, item):\n"
        "    8     def cancel_order(self, number):\n"
        "shop/stock.py\n    1 class Warehouse:\n    2     def reserve_item(self, item):\n    5 MOST_ITEMS = 12"
    )
    assert (drawn.sources, drawn.unread) == (4, 0)


async def test_files_words_and_names_of_a_request_are_where_it_begins(repository: Path, draw: Draw) -> None:
    assert next(iter(shown(await draw(repository, "look at web/api.ts")))) == "web/api.ts"
    assert next(iter(shown(await draw(repository, "mails are lost")))) == "shop/mail.py"
    assert next(iter(shown(await draw(repository, "CartApi")))) == "web/api.ts"
    assert next(iter(shown(await draw(repository, "hm", files=["shop/mail.py"])))) == "shop/mail.py"


async def test_a_request_that_names_nothing_gets_a_map_of_the_whole(repository: Path, draw: Draw) -> None:
    assert set(shown(await draw(repository, "??"))) == {"shop/orders.py", "shop/stock.py", "shop/mail.py", "web/api.ts"}
    assert set(shown(await draw(repository))) == {"shop/orders.py", "shop/stock.py", "shop/mail.py", "web/api.ts"}


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_a_tree_may_be_as_small_as_it_likes(tmp_path: Path, draw: Draw, count: int) -> None:
    (tmp_path / "a").mkdir()
    put(tmp_path / "a", {f"m{number}.py": f"def order_{number}(): ...\n" for number in range(count)})

    assert len((await draw(tmp_path / "a", "an order of m0.py")).files) == count


async def test_where_nothing_is_defined_the_map_is_empty(tmp_path: Path, draw: Draw) -> None:
    put(tmp_path / "a", {"a.txt": "x", "b.py": "# nothing\n"})

    assert await draw(tmp_path / "a", "x") == CodeMap(sources=1)


async def test_the_same_tree_and_request_give_the_same_map(repository: Path, draw: Draw, tmp_path: Path) -> None:
    first = await draw(repository, QUESTION)
    again = await draw(repository, QUESTION)
    shutil.rmtree(tmp_path / "home")
    anew = await draw(repository, QUESTION)

    assert first == again == anew


@pytest.mark.parametrize("is_repository", [True, False])
async def test_what_changed_is_read_again_and_nothing_else(
    folder: Path, draw: Draw, cache: Path, is_repository: bool
) -> None:
    if is_repository:
        git(folder, "init", "-q")
        git(folder, "add", ".")
    await draw(folder, QUESTION)
    before = set(keys(cache))
    put(folder, {"shop/mail.py": "def send_parcel(to):\n    return to\n", "new.py": "def brand_new(): ...\n"})
    (folder / "web/api.ts").unlink()

    drawn = await draw(folder)

    assert shown(drawn).keys() == {"shop/orders.py", "shop/stock.py", "shop/mail.py", "new.py"}
    assert shown(drawn)["shop/mail.py"] == ["send_parcel"]
    assert len(set(keys(cache)) - before) == 2


async def test_a_worktree_of_the_same_files_is_not_read_again(
    repository: Path, draw: Draw, cache: Path, tmp_path: Path
) -> None:
    await draw(repository, QUESTION)
    before = keys(cache)
    git(repository, "worktree", "add", "-q", str(tmp_path / "other"))

    drawn = await draw(tmp_path / "other", QUESTION)

    assert drawn == await draw(repository, QUESTION)
    assert keys(cache) == before


async def test_ignored_huge_binary_and_linked_files_are_not_in_it(folder: Path, draw: Draw) -> None:
    git(folder, "init", "-q")
    put(
        folder,
        {
            ".gitignore": "out/\n",
            ".equitrignore": "legacy/\n",
            "out/a.py": "def made(): ...\n",
            "legacy/b.py": "def old(): ...\n",
            "huge.py": "def huge(): ...\n" + "#" * 1_000_000,
            "min.js": "function packed() {}" + ";" * 30_000,
        },
    )
    (folder / "bin.py").write_bytes(b"def binary(): ...\n\0")
    (folder / "link.py").symlink_to("/etc/passwd")
    git(folder, "add", "-f", ".")

    assert set(shown(await draw(folder))) == {
        "out/a.py",
        "shop/orders.py",
        "shop/stock.py",
        "shop/mail.py",
        "web/api.ts",
    }
    git(folder, "rm", "-q", "--cached", "-r", "out", "huge.py")
    assert set(shown(await draw(folder))) == {"shop/orders.py", "shop/stock.py", "shop/mail.py", "web/api.ts"}


async def test_without_git_a_map_is_drawn_as_well(folder: Path, draw: Draw, tmp_path: Path) -> None:
    drawn = await draw(folder, QUESTION, environ={"PATH": str(tmp_path)})

    assert list(shown(drawn)) == ["shop/orders.py", "shop/stock.py"]


async def test_a_conflicted_file_is_read_as_it_lies_there(repository: Path, draw: Draw) -> None:
    git(repository, "checkout", "-qb", "other")
    put(repository, {"shop/mail.py": "def theirs(): ...\n"})
    git(repository, "commit", "-qam", "b")
    git(repository, "checkout", "-q", "-")
    put(repository, {"shop/mail.py": "def ours(): ...\n"})
    git(repository, "commit", "-qam", "c")
    with pytest.raises(Exception, match="merge"):
        git(repository, "merge", "-q", "other")

    assert shown(await draw(repository, "shop/mail.py"))["shop/mail.py"] == ["ours", "theirs"]


async def test_what_a_sparse_checkout_leaves_out_is_not_known_as_empty(repository: Path, draw: Draw) -> None:
    git(repository, "sparse-checkout", "set", "--no-cone", "shop/")
    assert set(shown(await draw(repository))) == {"shop/orders.py", "shop/stock.py", "shop/mail.py"}

    git(repository, "sparse-checkout", "disable")
    assert "web/api.ts" in shown(await draw(repository))


async def test_a_file_that_was_only_touched_is_not_read_again(repository: Path, draw: Draw, cache: Path) -> None:
    await draw(repository)
    before = keys(cache)
    os.utime(repository / "shop/mail.py", (0, 0))

    await draw(repository)

    assert keys(cache) == before


# ---------------------------------------------------------------- the budget


async def test_no_tokens_no_map(repository: Path, cache: Path) -> None:
    assert await LocalCodeMaps(cache, tokens=0, environ=os.environ).draw(repository, QUESTION) == CodeMap()
    assert not cache.exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(st.integers(1, 400), st.sampled_from([QUESTION, "", "order item warehouse"]))
def test_a_map_keeps_to_its_budget(repository: Path, draw: Draw, tokens: int, request: str) -> None:
    drawn = asyncio.run(draw(repository, request, tokens=tokens))

    assert len(map_text(drawn).encode()) <= tokens * BYTES_PER_TOKEN


async def test_what_does_not_fit_is_counted(repository: Path, draw: Draw) -> None:
    drawn = await draw(repository, QUESTION, tokens=25)

    assert map_text(drawn) == "shop/orders.py\n    5     def place_order(self, item):\n    ⋮ 2 more"


async def test_the_estimate_holds_for_real_source(draw: Draw) -> None:
    root = Path(__file__).parents[3]
    counter = Encodings().counter("o200k_base")
    assert counter is not None

    for request in ("the ledger reserves twice", "planning documents"):
        text = map_text(await draw(root, request, tokens=1_000))
        assert 500 < counter(text) <= 1_000


# ---------------------------------------------------------------- the digest


@pytest.fixture
def large(repository: Path) -> Path:
    """Enough files for a digest."""
    put(repository, {f"many/m{number}.py": f"def made_{number}():\n    Warehouse()\n" for number in range(150)})
    return repository


def digested(cache: Path) -> int:
    """How many contents the digest covers."""
    with sqlite3.connect(cache) as connection:
        return sum(len(found.split(b"\0")) for (found,) in connection.execute("SELECT keys FROM digest"))


async def test_what_came_after_the_digest_is_in_the_map(large: Path, draw: Draw, cache: Path) -> None:
    await draw(large, QUESTION)
    put(large, {"new.py": "def place_order_twice():\n    return made_7()\n", "many/m3.py": "def other(): ...\n"})

    requests = ("place_order_twice", "made_3", "other", "")
    with_digest = [await draw(large, request) for request in requests]

    assert digested(cache) == 154
    cache.unlink()
    assert [await draw(large, request) for request in requests] == with_digest


async def test_a_digest_that_lacks_much_is_made_anew(large: Path, draw: Draw, cache: Path) -> None:
    await draw(large, QUESTION)
    put(large, {f"more/m{number}.py": f"def more_{number}(): ...\n" for number in range(100)})
    await draw(large, QUESTION)
    before = digested(cache)
    put(large, {"more/m100.py": "def more_100(): ...\n"})
    await draw(large, QUESTION)

    assert (before, digested(cache)) == (154, 255)


@pytest.mark.parametrize(
    "change",
    ["names = CAST(replace(names, 'r', 'x') AS BLOB)", "uses = x'', keys = x''", "upto = 3", "definers = 'text'"],
)
async def test_a_changed_digest_is_found_out(large: Path, draw: Draw, cache: Path, change: str) -> None:
    expected = await draw(large, QUESTION)
    with sqlite3.connect(cache) as connection:
        connection.execute(f"UPDATE digest SET {change}")

    assert await draw(large, QUESTION) == expected
    assert len(keys(cache)) == digested(cache) == 154


async def test_a_row_that_only_the_digest_knows_is_read_again(large: Path, draw: Draw, cache: Path) -> None:
    expected = await draw(large, QUESTION)
    with sqlite3.connect(cache) as connection:
        connection.execute("DELETE FROM outlines WHERE names LIKE '%OrderBook%'")

    assert await draw(large, QUESTION) == expected
    assert len(keys(cache)) == 154


async def test_many_at_once_leave_one_digest(large: Path, draw: Draw, cache: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        drawing = [tasks.create_task(draw(large, QUESTION)) for _ in range(4)]

    first, *others = [task.result() for task in drawing]
    assert all(other == first for other in others)
    assert await draw(large, QUESTION) == first
    assert len(keys(cache)) == 154


@pytest.mark.sample(3)
@pytest.mark.parametrize("seed", range(10))
async def test_a_torn_digest_is_made_anew_without_a_word(large: Path, draw: Draw, cache: Path, seed: int) -> None:
    chance = random.Random(seed)
    expected = await draw(large, QUESTION)
    data = bytearray(cache.read_bytes())
    for _ in range(chance.choice([1, 8, 64])):
        at = chance.randrange(len(data))
        data[at : at + 200] = chance.randbytes(200)
    cache.write_bytes(data)

    assert await draw(large, QUESTION) == expected


# ---------------------------------------------------------------- what can go wrong


def keys(cache: Path) -> list[str]:
    with sqlite3.connect(cache) as connection:
        return sorted(key for (key,) in connection.execute("SELECT key FROM outlines"))


@pytest.mark.parametrize("column", ["names = replace(names, 'r', 'x')", "uses = ' x '", "places = x'00'"])
async def test_a_changed_row_is_found_out(repository: Path, draw: Draw, cache: Path, column: str) -> None:
    expected = await draw(repository, QUESTION)
    with sqlite3.connect(cache) as connection:
        connection.execute(f"UPDATE outlines SET {column}")

    assert await draw(repository, QUESTION) == expected


@pytest.mark.sample(3)
@pytest.mark.parametrize("seed", range(20))
async def test_a_torn_cache_is_made_anew_without_a_word(repository: Path, draw: Draw, cache: Path, seed: int) -> None:
    chance = random.Random(seed)
    expected = await draw(repository, QUESTION)
    data = bytearray(cache.read_bytes())
    for _ in range(chance.choice([1, 8, 64])):
        at = chance.randrange(len(data))
        data[at : at + 200] = chance.randbytes(200)
    cache.write_bytes(data[: chance.randrange(len(data))] if seed % 3 == 0 else data)

    assert await draw(repository, QUESTION) == expected


@pytest.mark.parametrize("content", [b"", b"no database" * 100, b"SQLite format 3\0"], ids=["empty", "text", "head"])
async def test_what_is_no_cache_is_replaced(repository: Path, draw: Draw, cache: Path, content: bytes) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(content)

    assert list(shown(await draw(repository, QUESTION))) == ["shop/orders.py", "shop/stock.py"]
    assert len(keys(cache)) == 4


async def test_a_cache_of_another_version_is_replaced(repository: Path, draw: Draw, cache: Path) -> None:
    await draw(repository, QUESTION)
    with sqlite3.connect(cache) as connection:
        connection.execute("UPDATE outlines SET names = 'nonsense'")
        connection.execute(f"PRAGMA user_version = {parse.VERSION + 1}")

    assert list(shown(await draw(repository, QUESTION))) == ["shop/orders.py", "shop/stock.py"]


async def test_where_nothing_can_be_written_a_map_is_drawn_as_well(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    maps = LocalCodeMaps(tmp_path / "home" / "maps" / "a.db", tokens=2_000, environ=os.environ)

    assert list(shown(await maps.draw(repository, QUESTION))) == ["shop/orders.py", "shop/stock.py"]


async def test_while_another_process_writes_a_map_is_drawn_as_well(repository: Path, draw: Draw, cache: Path) -> None:
    expected = await draw(repository, QUESTION)
    put(repository, {"new.py": "def place_order_twice(): ...\n"})
    with sqlite3.connect(cache) as other:
        other.execute("BEGIN IMMEDIATE")

        drawn = await draw(repository, "place_order_twice")
        other.rollback()

    assert next(iter(shown(drawn))) == "new.py"
    (repository / "new.py").unlink()
    assert await draw(repository, QUESTION) == expected


async def test_many_at_once_draw_the_same(repository: Path, draw: Draw) -> None:
    async with asyncio.TaskGroup() as tasks:
        drawing = [tasks.create_task(draw(repository, QUESTION)) for _ in range(6)]

    first, *others = [task.result() for task in drawing]
    assert list(shown(first)) == ["shop/orders.py", "shop/stock.py"]
    assert all(other == first for other in others)


async def test_a_map_without_time_says_what_it_has_not_read(repository: Path, draw: Draw) -> None:
    hasty = await draw(repository, QUESTION, patience=0)

    assert hasty == CodeMap(sources=4, unread=4)
    assert (await draw(repository, QUESTION)).unread == 0


async def test_a_cancelled_map_leaves_no_parser_behind(repository: Path, draw: Draw) -> None:
    put(repository, {f"many/m{number}.py": "def a_function(): ...\n" * 300 for number in range(300)})
    async with asyncio.TaskGroup() as tasks:
        drawing = tasks.create_task(draw(repository, QUESTION))
        while not parsers():  # noqa: ASYNC110 - a process gives no event
            await asyncio.sleep(0)
        drawing.cancel()

    assert not parsers()
    assert (await draw(repository, QUESTION)).unread == 0


def parsers() -> list[int]:
    """Children of this process that parse."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if fields[1] == str(os.getpid()) and fields[0] != "Z" and b"code_map/parse.py" in command:
            found.append(int(status.parent.name))
    return found


async def test_a_file_that_a_parser_falls_over_is_passed_by(
    repository: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    falling = tmp_path / "falling.py"
    falling.write_text(
        f"import os, sys\nsys.path.insert(0, {str(Path(parse.__file__).parent)!r})\nimport parse\n"
        "whole = parse.outline\n"
        "def outline(text, language):\n    if 'OrderBook' in text: os.abort()\n    return whole(text, language)\n"
        "parse.outline = outline\nsys.exit(parse.main(sys.argv[1:]))\n"
    )
    monkeypatch.setattr(parse, "__file__", str(falling))

    drawn = await draw(repository)

    assert set(shown(drawn)) == {"shop/stock.py", "shop/mail.py", "web/api.ts"}
    assert drawn.unread == 0


async def test_without_its_parser_nothing_is_known_and_nothing_is_taken_for_known(
    repository: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    absent = tmp_path / "absent.py"
    absent.write_text("import sys\nsys.exit(3)\n")
    with monkeypatch.context() as patched:
        patched.setattr(parse, "__file__", str(absent))
        assert await draw(repository, QUESTION) == CodeMap(sources=4, unread=4)

    assert list(shown(await draw(repository, QUESTION))) == ["shop/orders.py", "shop/stock.py"]


def sizes_of_files() -> st.SearchStrategy[dict[str, int]]:
    return st.dictionaries(st.text("abö/", min_size=1, max_size=6), st.integers(0, 3_000_000), max_size=40)


@given(sizes_of_files(), st.integers(1, 4))
def test_each_file_is_in_one_load_and_none_is_too_much_for_a_parser(sizes: dict[str, int], parsers: int) -> None:
    batches = in_batches(sizes, parsers=parsers)

    assert [path for batch in batches for path in batch] == list(sizes)
    assert all(sum(map(sizes.__getitem__, batch)) <= 6_000_000 for batch in batches)


@pytest.mark.parametrize("parsers", [1, 2, 4])
def test_all_parsers_are_kept_busy(parsers: int) -> None:
    batches = in_batches({f"m{number}.py": 7_000 for number in range(5_000)}, parsers=parsers)

    assert len(batches) % parsers == 0


def test_paths_fit_into_a_command() -> None:
    batches = in_batches({f"{'a/' * 1_000}{number}": 1 for number in range(1_000)}, parsers=2)

    assert all(sum(len(path) + 1 for path in batch) <= 500_000 for batch in batches)


@given(st.integers(0, 400))
def test_records_are_read_up_to_where_a_parser_fell(cut: int) -> None:
    paths = ("ö.py", "b.py", "c/d.py")
    packed = parse.packed([parse.Definition(3, "größe", "def größe():")], ["größe", "use"])
    records = [parse.HEADER.pack(*map(len, fields)) + b"".join(fields) for fields in _fields(paths, packed)]
    ends = [sum(map(len, records[: number + 1])) for number in range(len(records))]

    read = list(read_records(b"".join(records)[:cut]))

    assert [path for path, _ in read] == [path for path, end in zip(paths, ends, strict=True) if end <= cut]
    assert all((outline.names, outline.uses) == ("größe", " größe use ") for _, outline in read)


def _fields(paths: Iterable[str], packed: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    return [(os.fsencode(path), *packed) for path in paths]


async def test_the_definitions_of_a_name_are_found(repository: Path, cache: Path) -> None:
    put(repository, {"new.py": "class A:\n    def place_order(self): ...\n\ndef place_order_twice(): ...\n"})
    maps = LocalCodeMaps(cache, tokens=0, environ=os.environ)

    assert await maps.places(repository, "place_order") == [("new.py", 2), ("shop/orders.py", 5)]
    assert await maps.places(repository, "order") == []


def test_what_no_file_has_any_more_is_forgotten_in_time(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from equitr_coder.adapters.sqlite import outlines

    monkeypatch.setattr(outlines, "_ALWAYS_KEPT", 0)
    nothing = outlines.Outline.empty()
    with OutlineCache(cache, version=1) as open_cache:
        open_cache.put((str(number), nothing) for number in range(9))

        open_cache.prune({"1", "2", "3"})
        assert len(keys(cache)) == 9
        open_cache.keep_digest(Digest(9, b"0"))
        open_cache.prune({"1", "2"})

        assert open_cache.digest() == Digest()
    assert keys(cache) == ["1", "2"]
