"""Ray's token. Ports on loopback are open to every user of the machine: whoever has the token may run code in the cluster."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

_GIVEN_OTHERWISE = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_READ_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH
_ENTERED_BY_OTHERS = stat.S_IXGRP | stat.S_IXOTH


def ensure_private_token() -> None:
    """Make the token for a Ray of our own, unless there is one or ``RAY_AUTH_MODE`` switches it off.

    Ray would make it by itself as it starts, in a file that other users may read.
    """
    from ray._private.authentication import authentication_token_setup as setup

    before = os.umask(0o077)
    try:
        if setup.enable_token_auth_by_default():
            setup.ensure_token_if_auth_enabled(create_token_if_missing=True)
    finally:
        os.umask(before)


def readable_token(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file of Ray's token, if there is one that other users of this machine may read."""
    if any(environment.get(name) for name in _GIVEN_OTHERWISE):
        return None
    home = Path.home()
    path = home / ".ray" / "auth_token"
    try:
        modes = [each.stat().st_mode for each in (path, path.parent, home)]
    except FileNotFoundError:
        return None
    exposed = modes[0] & _READ_BY_OTHERS and all(mode & _ENTERED_BY_OTHERS for mode in modes[1:])
    return path if exposed else None
