"""A server's unix socket behind TLS on a loopback port, with a certificate of the test's choice."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from pathlib import Path

#: A CA, and certificates with their keys: `good`, `expired` and `other_host` are signed by it. All
#: but `expired` end in 2120; all but `other_host` are of localhost and 127.0.0.1.
CERTIFICATES = Path(__file__).parents[1] / "data" / "tls"
#: What is to be trusted.
CA = CERTIFICATES / "ca.pem"


class TlsProxy:
    """Decrypts connections and passes them on. It keeps what clients sent after the handshake.

    Args:
        target: the server's unix socket.
        certificate: name of a certificate in `CERTIFICATES`.
        postgres: whether a connection begins with PostgreSQL's question for encryption.
    """

    def __init__(self, target: Path, certificate: str, *, postgres: bool = False) -> None:
        self._target = str(target)
        self._postgres = postgres
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
        self.heard = b""
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no further connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, plain: socket.socket) -> None:
        with plain, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            if self._postgres:
                plain.recv(8)
                plain.sendall(b"S")
            with self._context.wrap_socket(plain, server_side=True) as client:
                server.connect(self._target)
                while True:
                    readable = client.pending() or select.select((client, server), (), ())[0]
                    if readable != [server]:
                        data = client.recv(65536)
                        self.heard += data
                        server.sendall(data)
                    else:
                        data = server.recv(65536)
                        client.sendall(data)
                    if not data:
                        return
