"""One HTTP exchange with the rewriting service, bounded in time and size.

It uses the transport of httpx2 without its client, so there are no proxies from the environment, no
redirects and no cookies: the key is sent only to the host that the user named.
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

#: Maximum bytes of a response; an answer with long reasoning has tens of thousands.
MAX_BODY = 2**20


class Service:
    """An OpenAI-compatible service, used by the tasks of one event loop.

    Args:
        url: base URL, such as `http://127.0.0.1:8000/v1`.
        key: bearer token; None: none is sent.
        timeout: seconds for one exchange, including the connection.
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
        # The certificates that httpx2 trusts by default depend on its version; those of `ssl` do
        # not. No keep-alive: a connection that the service is closing would waste an attempt.
        self._transport = httpx2.AsyncHTTPTransport(
            verify=ssl.create_default_context(), limits=httpx2.Limits(max_keepalive_connections=0)
        )

    async def post(self, document: Mapping[str, object]) -> bytes:
        """Send a document to `chat/completions` and return the response's body. Cancellable.

        Raises:
            RewriteError: no complete response in time, a response too large, or an HTTP error.
        """
        try:
            # A timeout for the whole exchange: those of httpx2 restart with every byte.
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
        # Without a length, a broken connection looks like the end of the response.
        raise httpx2.RemoteProtocolError("an empty reply")
    return bytes(found)


def _failure(error: httpx2.HTTPError | httpx2.InvalidURL) -> RewriteError:
    cause = _first_cause(error)
    if isinstance(error, httpx2.InvalidURL):
        return RewriteError(f"invalid URL: {plain(str(error))}; set HYMO_REWRITER_URL")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return RewriteError(f"its certificate is refused: {plain(cause.verify_message)}")
    if isinstance(error, httpx2.ConnectError) and isinstance(cause, OSError):
        # In the other errors asyncio writes the address instead of the reason.
        said = isinstance(cause, (ssl.SSLError, socket.gaierror))
        reason = cause.strerror if said else os.strerror(cause.errno or 0)
        return RewriteError(f"no connection: {reason}", again=True)
    return RewriteError("the connection broke before the answer was complete", again=True)


def _first_cause(error: BaseException) -> BaseException:
    if isinstance(error, BaseExceptionGroup):  # one error per address of the host
        return _first_cause(error.exceptions[-1])
    below = error.__cause__ or error.__context__
    return error if below is None else _first_cause(below)
