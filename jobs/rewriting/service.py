"""The service that rewrites: one HTTP exchange with it, bounded in time and size.

The transport of httpx2 without its client: no proxies of the environment, no redirects, no cookies.
The key goes to the host that the user named and nowhere else.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from contextlib import aclosing

import anyio
import httpx2

from jobs.promptfile.problem import plain
from jobs.rewriting.errors import RewriteError
from jobs.rewriting.refusal import refusal

#: Bytes of a reply; an answer with a long reasoning before it has some tens of thousands.
MAX_BODY = 2**20


class Service:
    """An OpenAI-compatible service, for the tasks of one event loop.

    Args:
        url: its base, like `http://127.0.0.1:8000/v1`.
        key: sent as a bearer token; None: none.
        timeout: seconds for one exchange, connecting included.
    """

    def __init__(self, *, url: str, key: str | None, timeout: float) -> None:
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._key = key
        self._timeout = timeout
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "hymo",
        }
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        # The certificates that httpx2 trusts by default differ by version; those of `ssl` do not.
        # Connections are not kept: one that the service closes just then costs a try of a prompt.
        self._transport = httpx2.AsyncHTTPTransport(
            verify=ssl.create_default_context(), limits=httpx2.Limits(max_keepalive_connections=0)
        )

    async def post(self, document: Mapping[str, object]) -> bytes:
        """Send a document to `chat/completions`; gives the body of the reply. May be cancelled.

        Raises:
            RewriteError: there is no whole reply within the time, it is too large, or a refusal.
        """
        try:
            # Over everything: the timeouts of httpx2 begin anew with every byte.
            with anyio.fail_after(self._timeout):
                request = httpx2.Request("POST", self._url, headers=self._headers, json=document)
                response = await self._transport.handle_async_request(request)
                body = await _body(response)
        except TimeoutError as error:
            raise RewriteError(f"no answer within {self._timeout:g} s", again=True) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _failure(error) from error
        if response.status_code != 200:
            raise refusal(response, body, self._key)
        return body


async def _body(response: httpx2.Response) -> bytes:
    found = bytearray()
    async with aclosing(response.aiter_raw()) as blocks:
        async for block in blocks:
            found += block
            if len(found) > MAX_BODY:
                raise RewriteError(f"the reply is larger than {MAX_BODY // 2**20} MiB")
    if response.status_code == 200 and not found:
        # Without a length, the end of a connection is the end of the reply, whoever ended it.
        raise httpx2.RemoteProtocolError("an empty reply")
    return bytes(found)


def _failure(error: httpx2.HTTPError | httpx2.InvalidURL) -> RewriteError:
    cause = _first_cause(error)
    if isinstance(error, httpx2.InvalidURL):
        return RewriteError(f"no address: {plain(str(error))}; set HYMO_REWRITER_URL")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return RewriteError(f"its certificate is refused: {plain(cause.verify_message)}")
    if isinstance(error, httpx2.ConnectError) and isinstance(cause, OSError):
        # Only these two: in the others asyncio writes the address instead of the reason.
        said = isinstance(cause, (ssl.SSLError, socket.gaierror))
        reason = cause.strerror if said else os.strerror(cause.errno or 0)
        return RewriteError(f"no connection: {reason}", again=True)
    return RewriteError("the connection broke before the answer was whole", again=True)


def _first_cause(error: BaseException) -> BaseException:
    if isinstance(error, BaseExceptionGroup):  # One error for each address of the host.
        return _first_cause(error.exceptions[-1])
    below = error.__cause__ or error.__context__
    return error if below is None else _first_cause(below)
