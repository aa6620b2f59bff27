"""The home folder: created for this user alone, and not used if others could change what is in it.

What is in a home decides what its commands do: config.toml names the servers, and models are loaded
from it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from jobs.errors import SettingsError


def make_home(home: Path) -> None:
    """Create the home if it does not exist, with mode 0700 whatever the umask.

    A home that exists keeps its mode: installations may share it.

    Raises:
        OSError: it cannot be created.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    try:
        home.mkdir(mode=0o700)
    except FileExistsError:
        if not home.is_dir():
            raise
    else:
        home.chmod(0o700)  # a umask may also take the owner's rights


def require_trusted(name: str, path: Path) -> None:
    """Refuse a path whose content another user than this one and root decides about.

    A path that does not exist, or cannot be looked at, is left to whoever uses it.

    Args:
        name: of the setting, for people.
        path: the home, or a file in it.

    Raises:
        SettingsError: it is owned by another user, or everybody can write it.
    """
    try:
        status = path.stat()
    except OSError:
        return
    if status.st_uid not in {0, os.geteuid()}:
        mend = (
            f"belongs to user {status.st_uid}, who could change what is done here: use a home of "
            "your own (HYMO_HOME or --home), or let root own this one"
        )
        raise SettingsError(name, str(path), mend)
    if stat.S_IMODE(status.st_mode) & stat.S_IWOTH:
        raise SettingsError(name, str(path), f"every user may write it: run `chmod o-w {path}`")
