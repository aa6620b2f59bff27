"""A PostgreSQL server behind a socket of ours, which can lose an answer."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from pathlib import Path

from sqlalchemy.engine import make_url

#: The name of a server's socket in its folder.
NAME = ".s.PGSQL.5432"
#: The message of a client that commits.
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


class LossyProxy:
    """Passes connections on. After `lose_commit` it closes the next connection that commits, when
    the server has committed and before the client hears of it.

    Args:
        url: the server's, with its socket's folder as `host`.
        folder: of the proxy's own socket; its path must be short.
    """

    def __init__(self, url: str, folder: Path) -> None:
        target = make_url(url)
        self._server = f"{target.query['host']}/{NAME}"
        self.url = target.set(query={"host": str(folder)}).render_as_string(hide_password=False)
        self._armed = threading.Event()
        self.lost = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / NAME))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_commit(self) -> None:
        """Lose the answer to the next commit."""
        self._armed.set()

    def close(self) -> None:
        """Accept no further connection."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self._server)
            drops = False
            while True:
                for each in select.select((client, server), (), ())[0]:
                    data = each.recv(65536)
                    if not data:
                        return
                    if each is client and data == COMMIT and self._armed.is_set():
                        self._armed.clear()
                        drops = True
                    elif each is server and drops:
                        self.lost += 1
                        return
                    (server if each is client else client).sendall(data)
