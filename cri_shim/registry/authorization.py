"""The Authorization header for one repository: Basic, or Bearer tokens that are renewed.

Nothing is sent before the registry asks for it, except a registry token of the call. Threads share
the header: one of them renews it, the others wait.
"""

import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlencode, urlsplit

from cri_shim.registry.answers import body, failure, network_failure
from cri_shim.registry.challenge import Challenge, parse
from cri_shim.registry.connections import Connections, NetworkError
from cri_shim.registry.credentials import Credential
from cri_shim.registry.endpoint import Endpoint
from cri_shim.registry.exchange import exchange
from cri_shim.registry.failure import Failure
from cri_shim.registry.sentences import Identity
from cri_shim.untrusted import parse_json, printable

MAX_ANSWER = 1 << 20  # bytes of a token server's answer
TIME_LIMIT_S = 60.0  # for the body of that answer
_LIFETIME_S = 60.0  # of a token that does not say; tokens live at least as long
_MARGIN = 0.9  # part of its lifetime that a token is used
_CLIENT = "cri-shim"


class Authorization:
    def __init__(
        self,
        connections: Connections,
        endpoint: Endpoint,
        find: Callable[[], Credential | None],
        searched: Callable[[], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`find` returns the credential; it may run programs and is called at most once.

        `searched` says where `find` looked if there was none.
        """
        self._connections = connections
        self._endpoint = endpoint
        self._find = find
        self._searched = searched
        self._clock = clock
        self._lock = threading.Lock()
        self._found = False
        self._credential: Credential | None = None
        self._header = ""
        self._until = 0.0
        self._bearer: Challenge | None = None

    def set_token(self, token: str) -> None:
        self._header, self._until = f"Bearer {token}", float("inf")

    def header(self) -> str:
        """Return the header's value; "" if none is known yet. A token near its end is renewed."""
        with self._lock:
            if self._bearer is not None and self._clock() >= self._until:
                self._fetch(self._bearer)
            return self._header

    def identity(self) -> Identity:
        """Return what the registry is asked with."""
        with self._lock:
            return self._identity()

    def _identity(self) -> Identity:
        own = self._own()
        return Identity("", self._searched()) if own is None else Identity(own.shown)

    def has_credential(self) -> bool:
        with self._lock:
            return self._own() is not None

    def renew(self, challenges: Sequence[str], used: str) -> bool:
        """Get another header than `used`, which was refused; False if there is none.

        `challenges`: the WWW-Authenticate headers of the refusal.
        """
        with self._lock:
            if self._header != used:
                return True  # another thread was faster
            found = {challenge.scheme: challenge for challenge in reversed(parse(challenges))}
            if "bearer" in found and not self._has_registry_token():
                self._fetch(found["bearer"])
                return True
            own = self._own()
            if "basic" in found and own is not None and own.basic and own.basic != used:
                self._header, self._until = own.basic, float("inf")
                return True
            return False

    def _own(self) -> Credential | None:
        if not self._found:
            self._credential, self._found = self._find(), True
        return self._credential

    def _has_registry_token(self) -> bool:
        own = self._own()
        return own is not None and bool(own.registry_token)

    def _fetch(self, challenge: Challenge) -> None:
        """Get a token from the server that the challenge names."""
        realm = challenge.parameters.get("realm", "")
        server = self._checked(realm)
        started = self._clock()
        try:
            token, lifetime = self._token(challenge, realm, server)
        except NetworkError as e:
            host = f"{self._endpoint.host}: its token server {server}"
            raise network_failure(e, host, "a token", TIME_LIMIT_S) from e
        self._bearer = challenge
        self._header = f"Bearer {token}"
        self._until = started + max(lifetime, _LIFETIME_S) * _MARGIN

    def _checked(self, realm: str) -> str:
        try:
            parts = urlsplit(realm)
            host = parts.hostname or ""
        except ValueError:
            host = ""
        if not host or parts.scheme not in ("http", "https"):
            text = f"{self._endpoint.host} names no server for tokens: {printable(realm, 100)!r}"
            raise Failure("unauthorized", text)
        if parts.scheme == "http" and not self._endpoint.insecure:
            raise Failure(
                "unauthorized",
                f"{self._endpoint.host} names a server for tokens without TLS, {host}: it gets no"
                " credentials",
            )
        return host

    def _token(self, challenge: Challenge, realm: str, server: str) -> tuple[str, float]:
        own = self._own() or Credential()
        wanted = self._endpoint.path
        pull = f"repository:{wanted}:pull" if wanted else ""
        scope = challenge.parameters.get("scope") or pull
        query = {"service": challenge.parameters.get("service", ""), "scope": scope}
        query = {key: value for key, value in query.items() if value}
        headers = {"Accept": "application/json"}
        at_home = urlsplit(realm).netloc == self._endpoint.authority
        secrets = dict(self._endpoint.headers) if at_home else {}
        content = None
        if own.identity_token:
            form = {
                "grant_type": "refresh_token",
                **query,
                "client_id": _CLIENT,
                "refresh_token": own.identity_token,
            }
            content = urlencode(form).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        else:
            if own.basic:
                secrets["Authorization"] = own.basic
                query["account"] = own.user
            realm += ("&" if "?" in realm else "?") + urlencode(query)
        method = "POST" if content else "GET"
        answer = exchange(
            self._connections, self._endpoint, realm, headers, secrets, method=method, body=content
        )
        host, wanted = self._endpoint.host, wanted or "a login"
        if answer.status == 401:
            raise failure(answer, host, wanted, self._identity())
        place = f"{host}: its token server {server}"
        if answer.status != 200:
            raise failure(answer, place, f"a token for {wanted}", self._identity())
        try:
            return _parsed(body(answer, MAX_ANSWER, TIME_LIMIT_S))
        except ValueError as e:
            raise Failure(
                "unauthorized", f"{place} gave no token for {wanted}: its answer {e}"
            ) from None


def _parsed(data: bytes) -> tuple[str, float]:
    """Return token and lifetime in seconds; ValueError says what is wrong, and not the content."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004
    token = value.get("token") or value.get("access_token")
    if not isinstance(token, str) or not token:
        raise ValueError("has no token")
    if not token.isascii() or not token.isprintable():
        raise ValueError("has a token that fits no header")
    lifetime = value.get("expires_in")
    if not isinstance(lifetime, int | float) or isinstance(lifetime, bool):
        lifetime = _LIFETIME_S
    return token, float(lifetime)
