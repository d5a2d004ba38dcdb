"""`.equitr/worktree.yaml`: what a task's worktree needs that git does not carry. Only parses; nothing is run here."""

from equitr_coder.domain.value import Value
from equitr_coder.settings.fields import InnerPaths, Text, VariableNames
from equitr_coder.settings.project import Project
from equitr_coder.settings.records import parse_record

FILE = "worktree.yaml"


class WorktreeSetup(Value):
    """Paths are relative to the repository's root."""

    links: InnerPaths = ()
    """Untracked folders of the user's checkout that appear in every worktree, read-only."""
    copies: InnerPaths = ()
    """Untracked files that are copied into every worktree."""
    setup: Text | None = None
    """A command that prepares a worktree."""
    setup_inputs: InnerPaths = ()
    """Files whose content decides whether `setup` must run again."""
    ports: VariableNames = ()
    """Variables that hold a free port each in the commands of a worktree, its own as long as it is used."""


def worktree_setup(project: Project) -> WorktreeSetup:
    """Nothing to set up when there is no such file, or when the project is not trusted.

    Raises:
        UserError: a trusted file that cannot be read.
    """
    text = project.trusted_text(FILE)
    return WorktreeSetup() if text is None else parse_record(WorktreeSetup, text, name=str(project.folder / FILE))
