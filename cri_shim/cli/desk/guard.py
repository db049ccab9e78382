"""Which requests of the page are answered: those of this node, with the token, that change nothing.

No I/O: a request comes in, the name of what is asked for comes out, or a refusal.
"""

import hmac
import secrets
from collections.abc import Iterable, Sequence

from cri_shim.streaming.upgrade import Refusal

TOKEN_BYTES = 24
# No script, style, image or connection of another origin; the page is in no frame.
SECURITY: Sequence[tuple[str, str]] = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
_NOT_FOUND = Refusal(404, "nothing is here: open the URL that `cri-shim desk` printed")

Headers = Iterable[tuple[bytes, bytes]]


class Guard:
    """`names` are the paths below the token, such as "events"; "" is the page itself."""

    def __init__(self, port: int, names: Iterable[str], token: str = "") -> None:
        self.token = token or secrets.token_urlsafe(TOKEN_BYTES)
        self._names = frozenset(names)
        hosts = ("127.0.0.1", "localhost", "[::1]")
        self._hosts = {f"{host}:{port}" for host in hosts} | (set(hosts) if port == 80 else set())
        self.url = f"http://127.0.0.1:{port}/{self.token}/"

    def answer(self, method: bytes, target: bytes, headers: Headers) -> str | Refusal:
        """Return the name that is asked for, or why nothing is answered."""
        named = [value for name, value in headers if name.lower() == b"host"]
        if len(named) != 1 or named[0].decode("ascii", "replace").lower() not in self._hosts:
            return Refusal(421, "this page is only for the loopback address of this node")
        path = target.partition(b"?")[0].decode("ascii", "replace")
        parts = path.split("/")
        if (
            len(parts) != 3
            or parts[0]
            or not hmac.compare_digest(parts[1].encode(), self.token.encode())
        ):
            return _NOT_FOUND
        if parts[2] not in self._names:
            return _NOT_FOUND
        if method != b"GET":
            return Refusal(405, "this page is read-only", (("Allow", "GET"),))
        return parts[2]
