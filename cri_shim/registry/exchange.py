"""One request to an endpoint, with redirects followed; secrets stay with the endpoint's server."""

from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

from cri_shim.registry.connections import Answer, Connections
from cri_shim.registry.endpoint import Endpoint
from cri_shim.registry.failure import Failure
from cri_shim.untrusted import printable
from cri_shim.version import __version__

MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_ALWAYS = {"User-Agent": f"cri-shim/{__version__}", "Accept-Encoding": "identity"}


def exchange(
    connections: Connections,
    endpoint: Endpoint,
    url: str,
    headers: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    method: str = "GET",
    body: bytes | None = None,
) -> Answer:
    """Return the answer at the end of the redirects; NetworkError, or Failure for a bad redirect.

    `secrets` are headers for the origin of `url` alone. A body is not sent elsewhere.
    """
    origin = origin_of(url)
    for _ in range(MAX_REDIRECTS + 1):
        own = origin_of(url) == origin
        at_home = own and origin[1] == endpoint.authority
        answer = connections.send(
            method,
            url,
            {**_ALWAYS, **headers, **(secrets if own else {})},
            tls=endpoint.tls if at_home else endpoint.tls.without_pairs(),
            socket=endpoint.socket if at_home else "",
            body=body,
        )
        if answer.status not in _REDIRECTS or not answer.headers.get("Location"):
            return answer
        answer.close()
        url = _next(url, answer.headers["Location"], endpoint)
        if method != "GET" and origin_of(url) != origin:
            raise Failure("invalid", f"{endpoint.host} redirects a request with secrets elsewhere")
    raise Failure("invalid", f"{endpoint.host} redirects more than {MAX_REDIRECTS} times")


def origin_of(url: str) -> tuple[str, str]:
    """Return scheme and authority."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _next(url: str, location: str, endpoint: Endpoint) -> str:
    """Return the URL that a redirect leads to."""
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid:
        raise Failure("invalid", f"{endpoint.host} redirects to {printable(location, 60)!r}")
    if parts.scheme == "http" and url.startswith("https:") and not endpoint.insecure:
        raise Failure(
            "invalid", f"{endpoint.host} redirects from https to plain http at {parts.hostname}"
        )
    return target
