import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from equitr_coder.presentation.ranking import FileNames
from equitr_coder.repl.completion import PromptCompleter

FILES = ("src/main.py", "src/remain.txt", "docs/main/index.md", "main", "m/a/i/n", "README.md", "my notes.txt")


def offered(text: str, *, commands: bool = True, after: str = "") -> list[str]:
    completer = PromptCompleter(commands=commands)
    completer.offer(FILES, {"/multi-agent": ("on", "off")})
    document = Document(text + after, cursor_position=len(text))
    return [text[: len(text) + found.start_position] + found.text for found in _complete(completer, document)]


def _complete(completer: PromptCompleter, document: Document) -> list:  # type: ignore[type-arg]
    found = list(completer.get_completions(document, CompleteEvent()))
    assert bool(found) <= completer.has_something(document)
    return found


def test_the_best_match_comes_first() -> None:
    assert FileNames(FILES).best("main") == ["main", "src/main.py", "src/remain.txt", "docs/main/index.md", "m/a/i/n"]


def test_a_path_is_completed_by_its_beginning() -> None:
    assert FileNames(FILES).best("docs/m") == ["docs/main/index.md"]


def test_case_does_not_matter() -> None:
    assert FileNames(FILES).best("readme") == ["README.md"]


def test_the_git_folder_is_never_offered() -> None:
    assert FileNames((".git/config", "sub/.git/HEAD", ".gitignore")).best("") == [".gitignore"]


@given(st.lists(st.text(alphabet="ab./", min_size=1, max_size=8), max_size=20), st.text(alphabet="ab.", max_size=3))
def test_what_is_offered_holds_the_letters_in_order_and_is_never_more_than_asked(paths: list[str], typed: str) -> None:
    best = FileNames(paths).best(typed, 5)

    assert len(best) <= 5
    for path in best:
        letters = iter(path)
        assert all(letter in letters for letter in typed)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("see @READ", "see @README.md"),
        ("@READ", "@README.md"),
        ("one\n@READ", "one\n@README.md"),
        ("(@READ", "(@README.md"),
        ("see @notes", 'see @"my notes.txt"'),
        ('see @"my no', 'see @"my notes.txt"'),
    ],
)
def test_a_mention_is_completed_wherever_it_stands(text: str, first: str) -> None:
    assert offered(text)[0] == first


@pytest.mark.parametrize("text", ["me@READ", "see README", "@README.md then", "", "see @zzz"])
def test_what_is_no_mention_is_not_completed(text: str) -> None:
    assert offered(text) == []


def test_commands_are_completed_at_the_start_only() -> None:
    assert offered("/c") == ["/cost", "/clear"]
    assert offered("go /c") == []
    assert offered("/c", after="\nmore") == []
    assert offered("/c", commands=False) == []


def test_the_words_of_a_command_are_completed() -> None:
    assert offered("/multi-agent ") == ["/multi-agent on", "/multi-agent off"]
    assert offered("/multi-agent of") == ["/multi-agent off"]
    assert offered("/cost ") == []
