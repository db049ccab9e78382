"""HTTP: answers, redirects, authorization and sessions, with a server of the test."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.registry import answers, unix_socket
from cri_shim.registry.authorization import Authorization
from cri_shim.registry.connections import (
    Connections,
    NetworkError,
    Stalled,
    TlsFailed,
    Unreachable,
    context,
)
from cri_shim.registry.credentials import Credential
from cri_shim.registry.endpoint import Endpoint, Tls
from cri_shim.registry.exchange import exchange
from cri_shim.registry.failure import Failure
from cri_shim.registry.session import Session
from tests.fixtures.images import basic_auth
from tests.fixtures.odd_registry import OddRegistry, cut, error, hang_up, stall, status
from tests.fixtures.token_server import TokenServer

USER = Credential("user", "secret")
BASIC = f"Basic {basic_auth('user', 'secret')}"


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[OddRegistry]:
    with OddRegistry(tmp_path) as registry:
        registry.serve_path("/v2/x/blobs/1", b"content")
        yield registry


@pytest.fixture
def connections() -> Iterator[Connections]:
    made = Connections({}, 0.5, 2)
    yield made
    for pool in made._pools.values():
        pool.clear()


def endpoint_of(odd: OddRegistry, **fields: object) -> Endpoint:
    return Endpoint(odd.host, "x", "http", **fields)  # type: ignore[arg-type]


def send(connections: Connections, odd: OddRegistry) -> bytes:
    answer = connections.send("GET", f"http://{odd.host}/v2/x/blobs/1", {}, tls=Tls())
    return answers.body(answer, 100, 5.0)


def session_of(
    connections: Connections, odd: OddRegistry, own: Credential | None = None
) -> Session:
    return Session(connections, endpoint_of(odd), lambda: own, 0.5)


def test_a_body_is_read_to_its_end_and_the_connection_is_used_again(
    odd: OddRegistry, connections: Connections
) -> None:
    pools = connections._pools

    assert [send(connections, odd), send(connections, odd)] == [b"content", b"content"]

    (pool,) = pools.values()
    (host,) = (pool.pools[key] for key in pool.pools.keys())  # noqa: SIM118
    assert (host.num_connections, host.num_requests) == (1, 2)


def test_a_body_above_the_limit_is_refused(odd: OddRegistry, connections: Connections) -> None:
    answer = connections.send("GET", f"http://{odd.host}/v2/x/blobs/1", {}, tls=Tls())

    with pytest.raises(ValueError, match="more than 3 bytes"):
        answers.body(answer, 3, 5.0)


@pytest.mark.parametrize(
    ("fault", "kind"), [(cut(3), NetworkError), (hang_up, NetworkError), (stall(3), Stalled)]
)
def test_failures_of_the_network_are_told_apart(
    odd: OddRegistry, connections: Connections, fault: object, kind: type[NetworkError]
) -> None:
    odd.plan("/1", fault)  # type: ignore[arg-type]

    with pytest.raises(kind) as e:
        send(connections, odd)

    assert type(e.value) is kind


def test_a_port_without_a_server_is_unreachable(connections: Connections) -> None:
    with pytest.raises(Unreachable, match="refused"):
        connections.send("GET", "http://127.0.0.1:1/", {}, tls=Tls())
    with pytest.raises(NetworkError):
        connections.send("GET", "http://[::1]:1/", {}, tls=Tls())


def test_tls_with_a_server_that_does_not_speak_it_fails(
    odd: OddRegistry, connections: Connections
) -> None:
    with pytest.raises(TlsFailed) as e:
        connections.send("GET", f"https://{odd.host}/", {}, tls=Tls())

    assert e.value.why == "plain"


def test_a_bad_certificate_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.crt"
    file.write_text("no certificate")

    with pytest.raises(TlsFailed, match=r"x\.crt"):
        context(Tls((str(file),)))
    with pytest.raises(TlsFailed, match=r"none\.cert"):
        context(Tls((), ((str(tmp_path / "none.cert"), ""),)))


def test_a_read_is_ended_by_another_thread(odd: OddRegistry, tmp_path: Path) -> None:
    odd.plan("/1", stall(3))
    answer = Connections({}, 20, 1).send("GET", f"http://{odd.host}/v2/x/blobs/1", {}, tls=Tls())
    assert answer.read() == b"con"

    timer = threading.Timer(0.1, answer.abort)
    timer.start()
    try:
        assert answer.read() == b""
    finally:
        timer.join()


def test_a_unix_socket_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    path = str(tmp_path / "none")

    with pytest.raises(NetworkError, match="No such file"):
        Connections({}, 5, 1).send("GET", "http://localhost/", {}, tls=Tls(), socket=path)
    assert unix_socket.UnixSocketPool(path, maxsize=1) is not None


@pytest.mark.parametrize(
    ("fault", "kind", "passing"),
    [
        (error(404, "MANIFEST_UNKNOWN"), "not_found", False),
        (error(401, "DENIED"), "denied", False),
        (error(403, "UNAUTHORIZED", "denied, not found"), "unauthorized", False),
        (error(400, "TOOMANYREQUESTS"), "unavailable", True),
        (error(500, "UNKNOWN"), "unavailable", True),
        (error(429, "denied-list"), "unavailable", True),
        (status(501), "invalid", False),
        (status(410), "not_found", False),
        (status(451), "denied", False),
        (status(502, b"<html>not found</html>"), "unavailable", True),
        (status(404, b'{"errors": [7]}'), "not_found", False),
        (status(404, b'{"errors": "x"}'), "not_found", False),
        (status(599), "unavailable", True),
    ],
)
def test_the_kind_is_that_of_the_code_or_the_status(
    odd: OddRegistry, connections: Connections, fault: object, kind: str, passing: bool
) -> None:
    odd.plan("/1", fault, always=True)  # type: ignore[arg-type]
    answer = connections.send("GET", f"http://{odd.host}/v2/x/blobs/1", {}, tls=Tls())

    found = answers.failure(answer, "a.example", "app:1")

    assert (found.kind, found.passing) == (kind, passing)
    assert found.message.startswith("a.example ")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None),
        ("0", 0.0),
        ("17", 17.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 50, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert answers.retry_after(value, 10.0) == seconds


def test_secrets_stay_with_the_server_that_they_are_for(
    odd: OddRegistry, connections: Connections, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with OddRegistry(tmp_path / "other") as other:
        place = other.serve_path("/y", b"there")
        odd.plan("/a", status(302, Location="/b"))
        odd.plan("/b", status(303, Location=place))
        url = f"http://{odd.host}/a"
        answer = exchange(connections, endpoint_of(odd), url, {"Accept": "x"}, {"X-Secret": "s"})

        assert answers.body(answer, 100, 5.0) == b"there"
        assert [seen.headers.get("x-secret") for seen in odd.seen] == ["s", "s"]
        assert [seen.headers.get("x-secret") for seen in other.seen] == [None]
        assert other.seen[0].headers["accept"] == "x"


def test_a_form_with_a_secret_is_not_sent_elsewhere(
    odd: OddRegistry, connections: Connections
) -> None:
    odd.plan("/a", status(307, Location="http://a.invalid/"))

    with pytest.raises(Failure, match="elsewhere"):
        exchange(
            connections, endpoint_of(odd), f"http://{odd.host}/a", {}, {}, method="POST", body=b"s"
        )


def test_a_token_is_renewed_near_its_end(odd: OddRegistry, connections: Connections) -> None:
    tokens = TokenServer(odd)
    now = [0.0]
    own = Authorization(connections, endpoint_of(odd), lambda: None, clock=lambda: now[0])

    assert own.header() == ""
    assert own.renew([odd.challenge], "")
    assert [own.header(), own.header()] == ["Bearer token-1"] * 2
    now[0] = 55.0
    assert own.header() == "Bearer token-2"
    assert len(tokens.asked) == 2


def test_the_second_of_two_threads_uses_the_first_one_s_token(
    odd: OddRegistry, connections: Connections
) -> None:
    tokens = TokenServer(odd)
    own = Authorization(connections, endpoint_of(odd), lambda: None)

    assert own.renew([odd.challenge], "")
    assert own.renew([odd.challenge], "")
    assert len(tokens.asked) == 1


def test_basic_is_tried_once_and_only_if_it_is_asked_for(
    odd: OddRegistry, connections: Connections
) -> None:
    own = Authorization(connections, endpoint_of(odd), lambda: USER)

    assert not own.renew(["Negotiate"], "")
    assert own.renew(['Basic realm="x"'], "")
    assert own.header() == BASIC
    assert not own.renew(['Basic realm="x"'], BASIC)


def test_a_secure_registry_s_tokens_do_not_come_from_a_server_without_tls(
    odd: OddRegistry, connections: Connections
) -> None:
    TokenServer(odd)
    own = Authorization(connections, Endpoint("a.invalid", "x"), lambda: USER)

    with pytest.raises(Failure, match="without TLS"):
        own.renew([odd.challenge], "")

    assert odd.seen == []


def test_a_session_returns_what_is_expected_and_fails_for_the_rest(
    odd: OddRegistry, connections: Connections
) -> None:
    session = session_of(connections, odd)

    assert session.get("blobs/1", {}, "it").read() == b"content"
    with pytest.raises(Failure, match="has no it"):
        session.get("blobs/2", {}, "it")
    odd.plan("/1", hang_up)
    with pytest.raises(Failure) as e:
        session.get("blobs/1", {}, "it")
    assert (e.value.kind, e.value.passing) == ("unavailable", True)


def test_a_session_gives_up_when_its_credential_is_refused(
    odd: OddRegistry, connections: Connections
) -> None:
    odd.require, odd.challenge = set(), 'Basic realm="x"'

    with pytest.raises(Failure, match="refuses user 'user' for it"):
        session_of(connections, odd, USER).get("blobs/1", {}, "it")

    assert [seen.authorization for seen in odd.seen] == ["", BASIC]


def test_a_session_with_a_choice_speaks_tls_first(
    odd: OddRegistry, connections: Connections
) -> None:
    session = Session(connections, Endpoint(odd.host, "x", "either"), lambda: None, 0.5)

    assert session.get("blobs/1", {}, "it").read() == b"content"
    assert session._scheme == "http"


@pytest.mark.large
def test_a_server_that_says_nothing_to_tls_is_stalled(connections: Connections) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        session = Session(connections, Endpoint(host, "x"), lambda: None, 0.5)
        with pytest.raises(Failure) as e:
            session.get("blobs/1", {}, "it")

    assert e.value.kind == "stalled"
