"""Where the demo happens: a fresh folder with the project and a home of its own, and the environment around them."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from equitr_coder.demo.story import Story
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen


@frozen
class Stage:
    folder: Path
    checkout: Path
    home: Path
    """EQUITR_HOME."""
    environ: dict[str, str]

    def configure(self, config: dict[str, Any], *, api_base: str) -> None:
        """Write the user's configuration."""
        import yaml

        whole = config | {"llm": config["llm"] | {"api_base": api_base}}
        self.home.mkdir(parents=True)
        (self.home / "config.yaml").write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")


def make_stage(story: Story, *, within: Path | None = None) -> Stage:
    """A new folder `equitr-demo-...` with the project of the story, in `within` or where temporary files go.

    Raises:
        UserError: it would lie in somebody's repository, which the demo would then work on.
    """
    parent = (within or Path(tempfile.gettempdir())).resolve()
    for above in (parent, *parent.parents):
        if (above / ".git").exists():
            raise UserError(
                f"temporary files go to {parent}, which is part of the git repository {above}",
                hint="name another folder for them: TMPDIR=/tmp equitrcoder demo",
            )
    folder = Path(tempfile.mkdtemp(prefix="equitr-demo-", dir=parent))
    checkout = folder / story.title
    for name, content in story.project.items():
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return Stage(folder=folder, checkout=checkout, home=folder / "home", environ=_environ())


def _environ() -> dict[str, str]:
    """The caller's without their EQUITR settings, and with this interpreter as `python3`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("EQUITR_")}
    return own | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])}
