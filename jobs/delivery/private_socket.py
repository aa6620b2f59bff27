"""The socket of the embedded server: where it is, and that its server is this user's own or root's.

It is in the home. The path of a unix socket is short, so that of a long home is in a folder of its
own below /tmp, where every user can create files; the home says in which one.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import struct
import tempfile
from pathlib import Path
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from jobs.artifacts.atomic import atomic

#: Longest unix socket path that both Linux (108 bytes with the NUL) and macOS (104) accept.
MAX_SOCKET_PATH = 100
#: The file of a long home that says where the socket is.
RECORD = "broker.path"
#: Not `tempfile.gettempdir()`: every process of a home has to find the same folder.
SHARED = Path("/tmp")  # noqa: S108  # nothing in it is trusted
NAME = "broker.sock"
#: The beginning of kombu's URL of the embedded server, whose connections are those of `private`.
SCHEME = "hymo"
_PEER = struct.Struct("3i")


def socket_path(home: Path) -> Path:
    """The socket of the embedded server of a home, whether or not it runs."""
    path = home / NAME
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    try:
        return Path((home / RECORD).read_text("utf-8").strip())
    except FileNotFoundError:
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        return SHARED / f"hymo-{digest}" / NAME


def make_socket_folder(home: Path) -> Path:
    """The path for the socket of a home, in a folder that exists and is this user's own.

    Raises:
        OSError: no folder can be created, or the home cannot be written.
    """
    path = socket_path(home)
    folder = path.parent
    if folder == home:
        return path
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if _folder_fault(folder, {os.geteuid()}) is not None:
            folder = Path(tempfile.mkdtemp(prefix="hymo-", dir=SHARED))
    path = folder / NAME
    with atomic(home / RECORD) as part, part.open("x", encoding="utf-8") as file:
        file.write(f"{path}\n")
    return path


class PrivateSocket:
    """Mixin of a redis-py connection to a socket: connects to no server of another user.

    Nothing is sent to such a server, and no answer of it is read.
    """

    path: str

    def _connect(self) -> socket.socket:
        """Connect, as redis-py calls it.

        Raises:
            OSError: nobody listens.
            redis.exceptions.ConnectionError: the folder or the server is another user's.
        """
        owners = {0, os.geteuid()}
        fault = _folder_fault(Path(self.path).parent, owners)
        if fault is None:
            connected: socket.socket = super()._connect()  # type: ignore[misc]  # redis-py's
            fault = _peer_fault(connected, owners)
            if fault is None:
                return connected
            connected.close()
        raise RedisConnectionError(f"{self.path} is not used: {fault}")


def private(connection: type[Any]) -> type[Any]:
    """A class of redis-py connections to sockets, with the checks of `PrivateSocket`."""
    return type(f"Private{connection.__name__}", (PrivateSocket, connection), {})


def _folder_fault(folder: Path, owners: set[int]) -> str | None:
    """Why others may have put a socket in a folder; None if only its owner, or its group, could.

    Raises:
        OSError: it does not exist, or cannot be looked at.
    """
    status = folder.lstat()
    if stat.S_ISLNK(status.st_mode) and status.st_uid in owners:
        status = folder.stat()
    if status.st_uid not in owners:
        return f"{folder} belongs to user {status.st_uid}; start `hymo up` again"
    if not stat.S_ISDIR(status.st_mode) or stat.S_IMODE(status.st_mode) & stat.S_IWOTH:
        return f"{folder} is no folder that only its owner can write; start `hymo up` again"
    return None


def _peer_fault(connected: socket.socket, owners: set[int]) -> str | None:
    """Why the server at the other end is not used; None if it runs as one of the owners."""
    if not hasattr(socket, "SO_PEERCRED"):  # pragma: no cover  # macOS: the folder has to do
        return None
    found = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _pid, user, _group = _PEER.unpack(found)
    if user in owners:
        return None
    return f"its server runs as user {user}, not as this user or root; end that process"
