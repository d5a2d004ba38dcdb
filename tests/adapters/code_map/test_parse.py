"""What the grammars in the installed package really find: one sample a language."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from equitr_coder.adapters.code_map import parse
from equitr_coder.adapters.code_map.parse import GRAMMARS, language_of, outline

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


def test_the_program_prints_one_line_a_file_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "ö\n.py").write_text("def größe(): pass\n")
    (tmp_path / "b.py").write_bytes(b"def a\0(): pass\n")
    (tmp_path / "l.py").symlink_to("ö\n.py")
    (tmp_path / "old.py").write_bytes("def größe(): pass\n".encode("latin-1"))
    argv = [sys.executable, "-I", parse.__file__, str(tmp_path), "ö\n.py", "b.py", "l.py", "gone.py", "a.txt", "old.py"]

    done = subprocess.run(argv, capture_output=True, check=True)

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row[0], row[1]) for row in rows] == [
        ("ö\n.py", ["größe"]), ("b.py", []), ("l.py", []), ("gone.py", []), ("a.txt", []), ("old.py", ["gr"]),
    ]  # fmt: skip
    assert done.stderr == b""
