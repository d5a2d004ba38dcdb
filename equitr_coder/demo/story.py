"""The story of the demo as a value, read from `story.yaml`: a project, a user's words, and a scripted model's."""

from importlib.resources import files
from typing import Any

from equitr_coder.domain.value import Value
from equitr_coder.testing.script import Script


class PlayedAnswer(Value):
    asks: str
    """Words of the question."""
    answer: str


class Story(Value):
    title: str
    """Name of the project's folder."""
    request: str
    answers: tuple[PlayedAnswer, ...]
    tests: str
    """Shell command that runs the finished project's tests."""
    program: str
    """Shell command that shows what was built; it writes nothing."""
    config: dict[str, Any]
    """Of the demo's own EQUITR_HOME, without the endpoint."""
    project: dict[str, str]
    """Path -> content of what the user has before."""
    script: Script

    def answer_to(self, question: str) -> str:
        """What the user says; a question that is not foreseen is left to the planner."""
        found = (played.answer for played in self.answers if played.asks in question)
        return next(found, "Decide that yourself")


def load_story() -> Story:
    import yaml

    text = files("equitr_coder.demo").joinpath("story.yaml").read_text(encoding="utf-8")
    return Story.model_validate(yaml.safe_load(text))
