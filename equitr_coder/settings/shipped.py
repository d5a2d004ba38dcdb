"""Where the data files that ship with the product lie. Only finds them."""

from pathlib import Path

from equitr_coder.domain.errors import UserError

PACKAGE = Path(__file__).resolve().parents[1]


def config_dir(package: Path = PACKAGE) -> Path:
    """The copy inside an installed package, or `config/` of a checkout."""
    for folder in (package / "_config", package.parent / "config"):
        if (folder / "default.yaml").is_file():
            return folder
    raise UserError("the product's own configuration files are missing", hint="install equitrcoder again")
