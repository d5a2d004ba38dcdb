"""Diffs as git writes them. Each sample is git's own output."""

import subprocess
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equitr_coder.presentation.unified_diff import (
    DiffLine,
    FileDiff,
    Hunk,
    changed_words,
    paired,
    read_diff,
    without_blank_changes,
)

MIXED = """diff --git a/shop/cart.py b/shop/cart.py
index 1111111..2222222 100644
--- a/shop/cart.py
+++ b/shop/cart.py
@@ -84,3 +84,4 @@ def create(self, row)
     def create(self, row):
-        return self._repo.add(row)
+        if self._repo.exists(row):
+            raise Duplicate(row)

@@ -100 +101 @@ class Cart:
-last
\\ No newline at end of file
+last!
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
diff --git a/logo.png b/logo.png
new file mode 100644
index 0000000..3333333
Binary files /dev/null and b/logo.png differ
diff --git a/old name.txt b/new name.txt
similarity index 90%
rename from old name.txt
rename to new name.txt
index 4444444..5555555 100644
--- a/old name.txt\t
+++ b/new name.txt\t
@@ -1 +1 @@
-a
+b
diff --git "a/caf\\303\\251.txt" "b/caf\\303\\251.txt"
deleted file mode 100644
index 6666666..0000000
--- "a/caf\\303\\251.txt"
+++ /dev/null
@@ -1,2 +0,0 @@
---- a rule
-+++ not a header
"""


def test_files_hunks_and_line_numbers_are_read() -> None:
    cart, *_ = read_diff(MIXED)

    assert (cart.path, cart.status, cart.added, cart.removed) == ("shop/cart.py", "modified", 3, 2)
    assert cart.hunks[0] == Hunk(
        84,
        84,
        "def create(self, row)",
        (
            DiffLine(" ", "    def create(self, row):", 84, 84),
            DiffLine("-", "        return self._repo.add(row)", 85, None),
            DiffLine("+", "        if self._repo.exists(row):", None, 85),
            DiffLine("+", "            raise Duplicate(row)", None, 86),
            DiffLine(" ", "", 86, 87),
        ),
    )
    assert cart.hunks[1].lines == (
        DiffLine("-", "last", 100, None, ends_file_without_newline=True),
        DiffLine("+", "last!", None, 101),
    )


def test_modes_binaries_renames_and_odd_names_are_read() -> None:
    _, script, logo, renamed, gone = read_diff(MIXED)

    assert script == FileDiff("run.sh", old_mode="100644", new_mode="100755")
    assert logo == FileDiff("logo.png", status="added", is_binary=True)
    assert (renamed.path, renamed.before, renamed.status) == ("new name.txt", "old name.txt", "renamed")
    assert (renamed.similarity, renamed.added, renamed.removed) == (90, 1, 1)
    assert (gone.path, gone.status) == ("café.txt", "deleted")
    assert [line.text for line in gone.hunks[0].lines] == ["--- a rule", "+++ not a header"]


def test_lines_stand_beside_their_successors() -> None:
    lines = read_diff(MIXED)[0].hunks[0].lines

    assert list(paired(lines)) == [
        (lines[0], lines[0]),
        (lines[1], lines[2]),
        (None, lines[3]),
        (lines[4], lines[4]),
    ]


def test_changed_words_are_the_ones_that_differ() -> None:
    old, new = "return self._repo.add(row)", "return self._store.add(row, now)"

    before, after = changed_words(old, new)

    assert [old[start:end] for start, end in before] == ["_repo"]
    assert [new[start:end] for start, end in after] == ["_store", ", now"]
    assert changed_words("alpha beta", "x(1)") == ((), ())


def test_white_space_can_be_left_out_of_account() -> None:
    lines = (
        DiffLine("-", "if a:", 1, None),
        DiffLine("-", "  b", 2, None),
        DiffLine("+", "if  a:", None, 1),
        DiffLine("+", "    c", None, 2),
        DiffLine("+", "", None, 3),
    )
    indented = Hunk(9, 9, "", (DiffLine("-", "x", 9, None), DiffLine("+", " x", None, 9)))

    shown = without_blank_changes(FileDiff("a.py", hunks=(Hunk(1, 1, "", lines), indented)))

    [hunk] = shown.hunks
    assert [(line.sign, line.text) for line in hunk.lines] == [
        (" ", "if  a:"),
        ("-", "  b"),
        ("+", "    c"),
        ("+", ""),
    ]


_TEXT = st.lists(st.text(alphabet="ab +-@\\\t\x0cé", max_size=6), max_size=12).map("\n".join)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=_TEXT, after=_TEXT)
def test_what_git_says_of_two_texts_gives_both_back(tmp_path: Path, before: str, after: str) -> None:
    for name, text in (("a", before), ("b", after)):
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    command = ["git", "diff", "--no-index", "--text", "-U99", "--", "a", "b"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).stdout.decode()

    lines = [line for file in read_diff(said) for hunk in file.hunks for line in hunk.lines]

    if before == after:
        assert lines == []
        return
    sides = (("+", before), ("-", after))
    for other, text in sides:
        kept = [line for line in lines if line.sign != other]
        ends = [line.text + ("" if line.ends_file_without_newline else "\n") for line in kept]
        assert "".join(ends) == text
    assert [line.new for line in lines if line.new is not None] == list(
        range(1, 1 + after.count("\n") + bool(after.rpartition("\n")[2]))
    )
