"""TLS to the broker: what a `rediss://` URL has checked, and why a certificate was refused."""

from __future__ import annotations

import ssl
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_REQS, _HOST, _CA = "ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs"
_MEND_CA = f"give the CA that signed it: HYMO_BROKER_URL=rediss://…?{_CA}=/path/ca.pem"
_MEND_HOST = "use a host name in HYMO_BROKER_URL that the certificate has"
#: OpenSSL's verification codes for which another CA is no mend.
_MENDS = {
    9: "set this machine's clock, or wait until the certificate is valid",
    10: "renew the server's certificate (or set this machine's clock)",
    62: _MEND_HOST,
    64: _MEND_HOST,
}


def verified(url: str) -> str:
    """The URL with certificate and host name checks, unless it is no `rediss://` URL or says
    otherwise itself. The defaults of kombu and of older redis-py check less."""
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        return url
    given = dict(parse_qsl(parts.query))
    given.setdefault(_REQS, "required")
    given.setdefault(_HOST, "false" if given[_REQS] == "none" else "true")
    return urlunsplit(parts._replace(query=urlencode(given)))


def unchecked(url: str) -> str | None:
    """What a `rediss://` URL itself leaves unchecked, and the argument that says so; else None."""
    given = _arguments(verified(url))
    if given.get(_REQS) == "none":
        return f"its certificate is not checked ({_REQS}=none)"
    if given.get(_HOST) == "false":
        return f"its host name is not checked ({_HOST}=false)"
    return None


def refusal(error: BaseException, url: str) -> tuple[str, str] | None:
    """Why the server of a `rediss://` URL could not be trusted, and the mend.

    None: `error`, which a client raised, has another cause.
    """
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message.rstrip(".")
        mend = _MENDS.get(cause.verify_code, _MEND_CA)
        return f"its certificate is refused: {reason}", mend
    path = _arguments(url).get(_CA)
    if path is None:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as fault:
        reason = fault.strerror or str(fault)
        return f"{_CA}={path}: {reason}", "name a PEM file with the CA's certificate"
    return None


def _arguments(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return dict(parse_qsl(parts.query)) if parts.scheme == "rediss" else {}
