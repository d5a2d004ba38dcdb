"""What the grammars in the installed package really find: one sample a language."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.code_map import parse
from equitr_coder.adapters.code_map.maps import read_records
from equitr_coder.adapters.code_map.parse import GRAMMARS, language_of, outline, parsed, scanned

SAMPLES = {
    "python": ("class Alpha(Base):\n    @deco\n    async def beta(self):\n        return gamma(1)\n\nLIMIT: int = 3\n"
               "one, two = 1, 2\n", ["Alpha", "beta", "LIMIT"], ["Base", "gamma"]),
    "javascript": ("export class Alpha { beta() { return gamma(1) } }\nconst delta = (x) => kappa(x)\n"
                   "function* eps() {}\n",
                   ["Alpha", "beta", "delta", "eps"], ["gamma", "kappa"]),
    "typescript": ("interface Alpha { beta(): void }\ntype Gamma = Alpha\nenum Delta { X }\n"
                   "export const eps = (): Zeta => 1\n"
                   "abstract class Eta { abstract theta(): void }\n",
                   ["Alpha", "beta", "Gamma", "Delta", "eps", "Eta", "theta"], ["Zeta"]),
    "tsx": ("export function Alpha() { return <Beta/> }\n",
        ["Alpha"], ["Beta"]),
    "java": ("class Alpha extends Base { int beta() { return gamma(); } }\nrecord Delta(int a) {}\n",
             ["Alpha", "beta", "Delta"], ["Base", "gamma"]),
    "go": ("package a\ntype Alpha struct{}\nfunc (a *Alpha) Beta() int { return gamma() }\nconst Delta = 1\n",
           ["Alpha", "Beta", "Delta"], ["gamma"]),
    "rust": ("pub struct Alpha;\nimpl Alpha { fn beta(&self) { gamma() } }\nconst DELTA: u8 = 1;\n"
             "macro_rules! eps { () => {} }\n",
             ["Alpha", "beta", "DELTA", "eps"], ["gamma"]),
    "c": ("struct Alpha { int a; };\nstatic int *beta(struct Alpha x) { return gamma(x); }\n#define DELTA 1\n"
          "typedef struct Alpha Eps;\n", ["Alpha", "beta", "DELTA", "Eps"], ["gamma"]),
    "cpp": ("class Alpha { void b(); };\nint ns::Alpha::beta(int x) { return gamma(x); }\n",
        ["Alpha", "beta"], ["gamma"]),
    "csharp": ("class Alpha : Base { int Beta { get; } void Gamma() { Delta(); } }\n",
        ["Alpha", "Beta", "Gamma"], ["Delta"]),
    "ruby": ("module Alpha\n  class Beta < Base\n    def gamma?\n      delta\n    end\n    def self.eps; end\n  end\n"
             "end\n",
             ["Alpha", "Beta", "gamma?", "eps"], ["Base", "delta"]),
    "php": ("<?php\nclass Alpha extends Base { function beta() { return gamma(); } }\n",
        ["Alpha", "beta"], ["Base", "gamma"]),
    "kotlin": ("class Alpha : Base() { fun beta() = gamma() }\n\nobject Delta : B() { val x = 1 }\n",
        ["Alpha", "beta", "Delta"], ["Base", "gamma"]),
    "swift": ("class Alpha: Base { func beta() { gamma() } }\nprotocol Delta { func eps() }\n",
              ["Alpha", "beta", "Delta", "eps"], ["Base", "gamma"]),
    "scala": ("class Alpha extends Base { def beta(x: Int) = gamma(x) }\nobject Delta\n",
        ["Alpha", "beta", "Delta"], ["gamma"]),
    "lua": ("function alpha(x) return beta(x) end\nfunction Mod.gamma() end\nfunction Mod:delta() end\n",
            ["alpha", "gamma", "delta"], ["beta"]),
    "bash": ("alpha() { beta; }\n",
        ["alpha"], ["beta"]),
    "haskell": ("module A where\ndata Alpha = Alpha Int\nbeta :: Int -> Int\nbeta x = gamma x\n",
        ["Alpha", "beta"], ["gamma"]),
    "solidity": ("contract Alpha { function beta() public { gamma(); } event Delta(); }\n",
        ["Alpha", "Delta", "beta"], ["gamma"]),
}  # fmt: skip


def test_every_grammar_has_a_sample() -> None:
    assert SAMPLES.keys() == GRAMMARS.keys()


@pytest.mark.parametrize("language", SAMPLES)
def test_definitions_and_uses_are_found(language: str) -> None:
    text, defined, used = SAMPLES[language]

    definitions, uses = outline(text, language)

    assert sorted(found.name for found in definitions) == sorted(defined)
    assert [found.line for found in definitions] == sorted(found.line for found in definitions)
    assert set(used) <= set(uses)


def test_words_in_comments_and_strings_are_no_uses() -> None:
    _, uses = outline('# alpha beta\nx = "gamma delta"\n"""eps"""\nzeta()\n', "python")

    assert uses == ["zeta"]


def test_a_definition_is_shown_as_its_line_stands() -> None:
    definitions, _ = outline("class A:\n    def größe(self,\n        x):\n        pass\r\n", "python")

    assert [tuple(found) for found in definitions] == [(1, "A", "class A:"), (2, "größe", "    def größe(self,")]


@pytest.mark.parametrize("text", ["", "x" * 30_000, "def (\n", "\ufffd\n", "(" * 5_000, "def f():\n\tdef"])
def test_what_is_no_good_code_does_no_harm(text: str) -> None:
    outline(text, "python")


@pytest.mark.parametrize(
    ("path", "language"),
    [("a.py", "python"), ("a/b.TSX", "tsx"), ("a.h", "c"), ("Makefile", None), ("a.py/b", None), (".ts", "typescript"),
     ("a.sql", None), ("", None)],
)  # fmt: skip
def test_the_language_is_told_by_the_name(path: str, language: str | None) -> None:
    assert language_of(path) == language


def test_the_program_writes_one_record_a_file_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "ö\n.py").write_text("def größe(): pass\n")
    (tmp_path / "b.py").write_bytes(b"def a\0(): pass\n")
    (tmp_path / "l.py").symlink_to("ö\n.py")
    (tmp_path / "old.py").write_bytes("def größe(): pass\n".encode("latin-1"))
    paths = ["ö\n.py", "b.py", "l.py", "gone.py", "a.txt", "old.py"]

    for buffer in ("0", "1000000"):
        argv = [sys.executable, "-I", parse.__file__, buffer, str(tmp_path), *paths]
        done = subprocess.run(argv, capture_output=True, check=True)

        assert [(path, outline.names) for path, outline in read_records(done.stdout)] == [
            ("ö\n.py", "größe"), ("b.py", ""), ("l.py", ""), ("gone.py", ""), ("a.txt", ""), ("old.py", "gr"),
        ]  # fmt: skip
        assert done.stderr == b""


# ---------------------------------------------------------------- Python without a parser

SOFT = {"match", "case", "type", "print", "exec"}
"""Names that the grammar takes for keywords here and there."""


def both(text: str) -> tuple[parse.Found | None, parse.Found]:
    return scanned(text, text.split("\n")), parsed(text, text.split("\n"), "python")


def test_tokens_tell_the_same_as_the_grammar_for_the_standard_library() -> None:
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::3]
    unclear = 0

    for file in files:
        found, expected = both(file.read_text(encoding="utf-8", errors="replace"))
        if found is None:
            unclear += 1
            continue
        assert (file.name, found[0]) == (file.name, expected[0])
        assert set(found[1]) ^ set(expected[1]) <= {*SOFT, "__future__"}

    assert len(files) > 40
    assert unclear < 5


FRAGMENTS = (
    "def alpha(x: Beta) -> gamma: pass\n",
    "class Delta(Eps):\n    async  def zeta(self): return f'{self.eta!r:>{width}} {{theta}} {iota[\"kappa\"]}'\n",
    '"""\ndef hidden(): ...\n"""\n',
    "'''\nclass Hidden: \\''' \n'''\n",
    "lam = r'\\\\' # def hidden(): '\n",
    "mue: Nue = 'it\\'s' \\\n    'more'\n",
    "xi = '\\\ndef hidden'\n",
    "omikron(\npi=1,\nrho=2)\n",
    "sigma = {\nkey: 1}\n",
    "tau == ypsilon\nphi.chi = psi[omega] = 1\n",
    "one, two = 1, 2\nthree = four = 4\n",
    "if five:\n    six = 6\nelse:\n    seven = 7\n",
    "eight = 1; nine = 2\n",
    "ten = 'a',\neleven = 2\n",
    "größe = 0x1F + 1e10 + rb'x'[0]\n",
    "twelve = f'''{thirteen(\n    fourteen)}'''\ndef fifteen():\n\treturn ''\n",
    '@sixteen.seventeen("x")\n\n# note\ndef eighteen(): ...\n',
    "nineteen = lambda: twenty\r\n",
    "x = f\"{a['b']}\" rf'{twentyone}\\d{{2}}'\n",
    "with abcd as efgh, \\\nijkl() as mnop: pass\n",
)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join))
def test_tokens_tell_the_same_as_the_grammar_or_nothing(text: str) -> None:
    found, expected = both(text)

    assert found in (None, expected)


@pytest.mark.parametrize(
    "text",
    [
        'x = f"{a["b"]}"\n',
        "x = '''\ndef a(): ...\n",
        "x = 'abc\n",
        "a = 1; b = 2\n",
        "a = 1,\nb = 2\n",
        "a = 1\rb = 2\r",
    ],
)
def test_what_tokens_do_not_tell_is_left_to_the_grammar(text: str) -> None:
    found, expected = both(text)

    assert found is None
    assert outline(text, "python") == expected


def test_unfinished_code_is_read_as_far_as_it_goes() -> None:
    text = "LIMIT = 3\ndef alpha(:\n    return: int = 0\nclass Beta\n"

    assert [found.name for found in outline(text, "python")[0]] == ["LIMIT", "alpha", "Beta"]


@pytest.mark.parametrize("quote", ['"', "'", '"""', "'''", 'f"{', "\\"])
def test_text_full_of_quotes_does_no_harm(quote: str) -> None:
    outline(f"x = {quote}\n" * 2_000, "python")
    outline(f"x = {quote * 6_000}\n", "python")
