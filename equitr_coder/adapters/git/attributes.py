"""Whether anything tells git to treat files in a way of its own (gitattributes(5), "FILES"). Where nothing does, a file
is what its bytes are.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from equitr_coder.adapters.git.checkout import Checkout
from equitr_coder.adapters.git.configuration import Configuration

_NAME = ".gitattributes"
_OF_THE_MACHINE = Path("/etc/gitattributes")


def has_attributes(
    checkout: Checkout, configuration: Configuration, paths: Iterable[str], *, environ: Mapping[str, str] = os.environ
) -> bool:
    """Whether there may be an attribute for one of the paths. Of a sparse checkout nobody can tell: git then reads them
    from the index.
    """
    if configuration.is_set("core.sparsecheckout", default=False) or "core.attributesfile" in configuration.values:
        return True
    folders = {folder for path in paths for folder in PurePosixPath(path).parents}
    own = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/"), ".config"), "git", "attributes")
    places = (_OF_THE_MACHINE, own, checkout.common_dir / "info" / "attributes")
    return any(map(os.path.lexists, places)) or any(os.path.lexists(checkout.root / at / _NAME) for at in folders)
