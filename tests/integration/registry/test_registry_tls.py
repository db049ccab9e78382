"""TLS: private authorities, client certificates, and what is refused; sockets and proxies."""

import contextlib
import shutil
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.odd_registry import OddRegistry, status
from tests.fixtures.registry_worker import Worker
from tests.fixtures.tls import Authority
from tests.integration.registry.conftest import serve

FORMS = ["containers", "hosts.toml", "docker-in-hosts"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def secure(tmp_path: Path, authority: Authority) -> Iterator[OddRegistry]:
    with OddRegistry(tmp_path, authority.server()) as registry:
        yield registry


def trust(tmp_path: Path, host: str, authority: Authority, form: str, *, client: bool) -> None:
    """Write the files that make a registry trusted, in one of the forms."""
    place = tmp_path / form / host
    if form == "hosts.toml":
        place = tmp_path / form / (host.replace(":", "_") + "_")
    place.mkdir(parents=True)
    shutil.copy(authority.certificate, place / "ca.crt")
    if client:
        certificate, key = authority.issue("client")
        shutil.copy(certificate, place / "client.cert")
        shutil.copy(key, place / "client.key")
    if form == "hosts.toml":
        pair = 'client = [["client.cert", "client.key"]]' if client else ""
        (place / "hosts.toml").write_text(f'server = "https://{host}"\nca = "ca.crt"\n{pair}\n')


def options(tmp_path: Path, host: str, form: str) -> dict[str, Any]:
    """Return the request's fields for one of the forms; the registry has to speak TLS."""
    conf = tmp_path / "tls.conf"
    conf.write_text(f'[[registry]]\nlocation = "{host}"\n')
    key = "certs_dirs" if form == "containers" else "hosts_dirs"
    return {"registries_conf": conf, key: [str(tmp_path / form)]}


@pytest.mark.parametrize("form", FORMS)
def test_a_private_authority_is_trusted_if_it_is_configured(
    secure: OddRegistry, authority: Authority, tmp_path: Path, form: str
) -> None:
    served = serve(secure)
    trust(tmp_path, secure.host, authority, form, client=False)

    with Worker(tmp_path, served.name, **options(tmp_path, secure.host, form)) as worker:
        served.fetch(worker)
        assert served.is_here(worker)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("client", [True, False])
def test_a_client_certificate_is_shown_to_a_registry_that_demands_one(
    authority: Authority, tmp_path: Path, form: str, client: bool
) -> None:
    with OddRegistry(tmp_path, authority.server(wants_client=True)) as registry:
        served = serve(registry, 1000)
        trust(tmp_path, registry.host, authority, form, client=client)
        with Worker(tmp_path, served.name, **options(tmp_path, registry.host, form)) as worker:
            if client:
                worker.expect("image")
            else:
                assert worker.failure()["kind"] == "unavailable"


def test_an_unknown_authority_is_refused_with_advice(secure: OddRegistry, tmp_path: Path) -> None:
    served = serve(secure)

    with Worker(tmp_path, served.name, **options(tmp_path, secure.host, "containers")) as worker:
        failure = worker.failure()

    assert failure["kind"] == "unavailable"
    assert "x509: certificate signed by an unknown authority" in failure["message"]
    assert failure["message"].endswith(f"/etc/containers/certs.d/{secure.host}/ca.crt")
    assert secure.seen == []


def test_a_certificate_for_another_address_is_refused(authority: Authority, tmp_path: Path) -> None:
    with OddRegistry(tmp_path, authority.server("127.0.0.2")) as registry:
        served = serve(registry, 1000)
        trust(tmp_path, registry.host, authority, "containers", client=False)
        fields = options(tmp_path, registry.host, "containers")
        with Worker(tmp_path, served.name, **fields) as worker:
            failure = worker.failure()

        assert registry.seen == []
    assert failure["kind"] == "unavailable"
    assert "127.0.0.1" in failure["message"]


def test_an_insecure_registry_may_have_any_certificate(secure: OddRegistry, tmp_path: Path) -> None:
    served = serve(secure)

    with Worker(tmp_path, served.name, registries_conf=secure.conf) as worker:
        served.fetch(worker)
        assert served.is_here(worker)


def test_plain_http_is_not_spoken_to_a_registry_that_has_to_be_secure(
    odd: OddRegistry, tmp_path: Path
) -> None:
    served = serve(odd)

    with Worker(tmp_path, served.name, **options(tmp_path, odd.host, "containers")) as worker:
        failure = worker.failure()

    assert (failure["kind"], odd.seen) == ("unavailable", [])
    assert failure["message"] == (
        f"{odd.host} speaks plain HTTP, not TLS; to allow it, set insecure = true for {odd.host} in"
        " registries.conf"
    )


def test_a_redirect_from_tls_to_plain_http_is_refused(
    secure: OddRegistry, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "plain").mkdir()
    served = serve(secure)
    trust(tmp_path, secure.host, authority, "containers", client=False)
    with OddRegistry(tmp_path / "plain") as plain:
        secure.plan(served.digest, status(307, Location=plain.serve_path("/x", served.blob)))
        fields = options(tmp_path, secure.host, "containers")
        with Worker(tmp_path, served.name, **fields) as worker:
            served.fetch(worker)
            failure = worker.failed(served.digest)

        assert plain.seen == []
    assert failure["kind"] == "invalid"
    assert "plain http" in failure["message"]


def test_a_bad_certificate_file_is_named(secure: OddRegistry, tmp_path: Path) -> None:
    served = serve(secure)
    place = tmp_path / "containers" / secure.host
    place.mkdir(parents=True)
    (place / "ca.crt").write_text("no certificate")

    with Worker(tmp_path, served.name, **options(tmp_path, secure.host, "containers")) as worker:
        failure = worker.failure()

    assert str(place / "ca.crt") in failure["message"]


class _Proxy(BaseHTTPRequestHandler):
    """Answers requests for http URLs from the registry that they name."""

    registry: OddRegistry
    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Proxy-Authorization", "")))
        self.send_response(302)
        path = self.path.partition("far.invalid")[2]
        self.send_header("Location", f"http://{self.registry.host}{path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Tunnel(socketserver.BaseRequestHandler):
    """Joins a client that says CONNECT with the registry."""

    target: tuple[str, int]
    seen: list[bytes]

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.request.recv(1)
        self.seen.append(head)
        with socket.create_connection(self.target) as other:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_copy, args=(other, self.request))
            back.start()
            _copy(self.request, other)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class _TunnelServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


def test_a_registry_with_tls_is_reached_through_a_proxy(
    secure: OddRegistry, tmp_path: Path
) -> None:
    served = serve(secure)
    port = int(secure.host.rpartition(":")[2])
    handler: Any = type("Tunnel", (_Tunnel,), {"target": ("127.0.0.1", port), "seen": []})
    conf = tmp_path / "far.conf"
    conf.write_text('[[registry]]\nlocation = "far.invalid"\ninsecure = true\n')
    with _TunnelServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            env = {"HTTPS_PROXY": f"127.0.0.1:{server.server_address[1]}"}
            name = served.name.replace(secure.host, "far.invalid")
            with Worker(tmp_path, name, registries_conf=conf, env=env) as worker:
                served.fetch(worker)
                assert served.is_here(worker)
        finally:
            server.shutdown()
            thread.join()

    assert {tuple(head.split()[:2]) for head in handler.seen} == {(b"CONNECT", b"far.invalid:443")}


def test_a_proxy_of_the_environment_is_used(odd: OddRegistry, tmp_path: Path) -> None:
    served = serve(odd)
    handler: Any = type("Proxy", (_Proxy,), {"registry": odd, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    conf = tmp_path / "far.conf"
    conf.write_text('[[registry]]\nlocation = "far.invalid"\ninsecure = true\n')
    env = {"http_proxy": f"http://user:pass%20word@127.0.0.1:{server.server_port}"}
    try:
        name = served.name.replace(odd.host, "far.invalid")
        with Worker(tmp_path, name, registries_conf=conf, env=env) as worker:
            served.fetch(worker)
            assert served.is_here(worker)
        with Worker(
            tmp_path, name, registries_conf=conf, env={**env, "no_proxy": ".x,far.invalid"}
        ) as worker:
            assert worker.failure()["kind"] == "unavailable"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    assert {path.partition("/v2/")[0] for path, _ in handler.seen} == {"http://far.invalid"}
    assert {authorization for _, authorization in handler.seen} == {"Basic dXNlcjpwYXNzIHdvcmQ="}
