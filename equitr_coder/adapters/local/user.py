"""Who uses this machine's account: a name for the ledger, not a proof of identity."""

import os
import pwd
from collections.abc import Mapping


def local_user(environ: Mapping[str, str]) -> str:
    """Name of the account; where it has none (a container under a bare number) what the environment says, or empty."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return environ.get("LOGNAME") or environ.get("USER") or ""
