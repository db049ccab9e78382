"""The texts of failed requests: the server first, one cause, the remedy last; pure.

Each function returns the cause and the remedy, which may be "".
"""

import time
from dataclasses import dataclass

from cri_shim.registry.connections import NetworkError, Stalled, TlsFailed, Unreachable

Sentence = tuple[str, str]  # cause, remedy
_CERTS_D = "/etc/containers/certs.d"


@dataclass(frozen=True, slots=True)
class Identity:
    """With what a registry was asked: a credential, or the places that have none."""

    credential: str = ""  # "user 'joe' of FILE"; "" without one
    searched: str = ""  # the places without a credential


def missing(host: str, what: str) -> Sentence:
    return f"{host} has no {what}", ""


def unauthorized(host: str, what: str, identity: Identity, said: str) -> Sentence:
    if identity.credential:
        words = f": {said}" if said else ""
        return (
            f"{host} refuses {identity.credential} for {what}{words}",
            "correct the credentials, or ask its owner for access",
        )
    places = f"; {identity.searched}" if identity.searched else ""
    return (
        f"{host} has no {what} for a client without credentials{places}",
        f"check the name, or give credentials: imagePullSecrets, or `cri-shim login {host}`",
    )


def denied(host: str, what: str, identity: Identity, said: str) -> Sentence:
    client = identity.credential or "a client without credentials"
    return f"{host} denies {what} to {client}: {said}", ""


def limited(host: str, wait: float | None, now: float) -> Sentence:
    """Return the text of an answer with status 429; `wait`: the seconds that it asks for."""
    cause = f"{host} limits the number of requests (HTTP 429)"
    if wait is None:
        return cause, "try again later, or give credentials: they often have a higher limit"
    at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now + wait))
    return f"{cause} and asks to wait {wait:g} s", f"try again after {at}"


def answered(host: str, what: str, line: str, said: str, *, passing: bool) -> Sentence:
    remedy = "try again later" if passing else ""
    return f"{host} answers {line} for {what}{f': {said}' if said else ''}", remedy


def broken(host: str, error: NetworkError, what: str, patience: float) -> Sentence:
    """Return the text of a request without an answer, or with half of one."""
    match error:
        case Stalled():
            return (
                f"{host}: no byte came for {patience:g} s while {what} was fetched",
                "pull again, or raise image.pull_progress_timeout if the registry needs longer",
            )
        case TlsFailed():
            return _tls(host, error)
        case Unreachable():
            return f"{host}: {error}", _REMEDIES.get(error.why, "")
    return f"{host}: the connection broke while {what} was fetched: {error}", "try again"


_REMEDIES = {
    "name": "check the name of the registry, and the node's DNS (/etc/resolv.conf)",
    "refused": "check the port, and that the registry runs",
    "time": "check the address, firewalls, and HTTPS_PROXY of the daemon",
    "route": "check the node's routes",
    "proxy": "check HTTPS_PROXY and NO_PROXY of the daemon",
}


def _tls(host: str, error: TlsFailed) -> Sentence:
    match error.why:
        case "plain":
            return (
                f"{host} speaks plain HTTP, not TLS",
                f"to allow it, set insecure = true for {host} in registries.conf",
            )
        case "authority":
            return (
                f"{host}: x509: certificate signed by an unknown authority ({error})",
                f"put its CA into {_CERTS_D}/{host}/ca.crt",
            )
        case "name":
            return f"{host}: x509: {error}", "use a name that the certificate has, or renew it"
        case "time":
            return f"{host}: x509: {error}", "renew the certificate, or correct the node's clock"
    return f"{host}: TLS failed: {error}", ""
