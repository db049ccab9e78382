"""Requests for one repository at one endpoint: scheme, authorization, failures."""

from collections.abc import Callable, Collection, Mapping

from cri_shim.registry.answers import answer_line, failure, network_failure
from cri_shim.registry.authorization import Authorization
from cri_shim.registry.connections import Answer, Connections, NetworkError
from cri_shim.registry.credentials import Credential
from cri_shim.registry.endpoint import API, Endpoint
from cri_shim.registry.exchange import exchange, origin_of
from cri_shim.registry.failure import Failure
from cri_shim.registry.sentences import answered

_LOGIN = "a login"
_RENEWALS = 2  # new authorizations for one request: a token may end just before it is used


class Session:
    """May be used by several threads."""

    def __init__(
        self,
        connections: Connections,
        endpoint: Endpoint,
        find: Callable[[], Credential | None],
        patience: float,
        searched: Callable[[], str] = str,
    ) -> None:
        """`find` and `searched` are those of Authorization."""
        self.endpoint = endpoint
        self._connections = connections
        self._patience = patience
        self._authorization = Authorization(connections, endpoint, find, searched)
        self._scheme = "" if endpoint.scheme == "either" else endpoint.scheme

    def set_token(self, token: str) -> None:
        """Use a bearer token of the caller from the first request on."""
        self._authorization.set_token(token)

    def log_in(self) -> bool:
        """Ask the API's root; return whether the registry asked for the credential. Failure."""
        answer = self.get("", {}, _LOGIN, ok=(200, 404))
        answer.close()
        if answer.status == 404:
            raise Failure("invalid", f"{self.endpoint.host} is not a registry: it has no {API}/")
        return bool(self._authorization.header())

    def get(
        self, path: str, headers: Mapping[str, str], what: str, ok: Collection[int] = (200,)
    ) -> Answer:
        """Return the answer for `manifests/...` or `blobs/...`; Failure if its status is not `ok`.

        `what` says in the failure what is asked for.
        """
        host = self.endpoint.host
        try:
            answer = self._authorized(path, headers)
        except NetworkError as e:
            raise network_failure(e, host, what, self._patience) from e
        if answer.status in ok:
            return answer
        if not self._is_own(answer):
            host = f"{host} redirects to {origin_of(answer.url)[1]}, which"
        if answer.status in (401, 403) and not self._is_own(answer):
            # The address that a redirect gave is valid for a short time: ask the registry again.
            answer.close()
            line = answer_line(answer.status)
            cause, remedy = answered(host, what, line, "", passing=True)
            raise Failure("unavailable", cause, remedy, passing=True)
        raise failure(answer, host, what, self._authorization.identity())

    def _authorized(self, what: str, headers: Mapping[str, str]) -> Answer:
        pinged = False
        for _ in range(_RENEWALS + 1):
            used = self._authorization.header()
            answer = self._send(what, headers, used)
            if not self._is_own(answer):
                return answer
            challenges = answer.all("WWW-Authenticate") if answer.status == 401 else []
            if answer.status in (403, 404) and not used and not pinged:
                # Some registries hide what a stranger may not see, and ask only at their root.
                pinged = True
                challenges = self._ping()
            if not challenges or not self._authorization.renew(challenges, used):
                return answer
            answer.close()
        return self._send(what, headers, self._authorization.header())

    def _ping(self) -> list[str]:
        """Return the challenges of the API's root, if there is a credential to answer them."""
        if not self._authorization.has_credential():
            return []
        answer = self._send("", {}, "")
        answer.close()
        return answer.all("WWW-Authenticate") if answer.status == 401 else []

    def _send(self, what: str, headers: Mapping[str, str], authorization: str) -> Answer:
        secrets = dict(self.endpoint.headers)
        if authorization:
            secrets["Authorization"] = authorization
        if not self._scheme and (answer := self._by_tls(what, headers, secrets)) is not None:
            self._scheme = "https"
            return answer
        answer = self._exchange(self._scheme or "http", what, headers, secrets)
        self._scheme = self._scheme or "http"
        return answer

    def _by_tls(
        self, what: str, headers: Mapping[str, str], secrets: Mapping[str, str]
    ) -> Answer | None:
        """Return the answer by https; None if there is none: the error of HTTP counts then."""
        try:
            return self._exchange("https", what, headers, secrets)
        except NetworkError:
            return None

    def _exchange(
        self, scheme: str, what: str, headers: Mapping[str, str], secrets: Mapping[str, str]
    ) -> Answer:
        endpoint = self.endpoint
        url = endpoint.url(scheme, what) if what else endpoint.api(scheme)
        return exchange(self._connections, endpoint, url, headers, secrets)

    def _is_own(self, answer: Answer) -> bool:
        return origin_of(answer.url)[1] == self.endpoint.authority
