"""Mirrors, locations, short names, hosts.toml and unix sockets."""

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.odd_registry import (
    Misbehaviour,
    OddRegistry,
    Request,
    cut,
    hang_up,
    other,
    stall,
    status,
)
from tests.fixtures.registry_worker import Worker
from tests.integration.registry.conftest import Served, serve


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[OddRegistry]:
    (tmp_path / "mirror").mkdir()
    with OddRegistry(tmp_path / "mirror") as registry:
        yield registry


def configured(tmp_path: Path, odd: OddRegistry, mirror: OddRegistry, more: str = "") -> Path:
    conf = tmp_path / "mirrors.conf"
    conf.write_text(f"""
[[registry]]
prefix = "logical.invalid/team"
location = "{odd.host}/odd"
insecure = true
[[registry.mirror]]
location = "{mirror.host}/copy"
insecure = true
{more}
""")
    return conf


def copy(served: Served, mirror: OddRegistry) -> None:
    image = served.image
    mirror.serve(image.manifest, [image.config_bytes, *image.blobs], name="copy/image1")


def test_a_mirror_that_has_the_image_is_used_and_the_name_stays(
    odd: OddRegistry, served: Served, mirror: OddRegistry, tmp_path: Path
) -> None:
    copy(served, mirror)

    with Worker(
        tmp_path, "logical.invalid/team/image1", registries_conf=configured(tmp_path, odd, mirror)
    ) as worker:
        found = worker.expect("image")
        worker.fetch(served.digest, len(served.blob))
        assert served.is_here(worker)

    assert found["reference"] == "logical.invalid/team/image1:latest"
    assert found["host"] == mirror.host
    assert odd.seen == []


@pytest.mark.parametrize(
    "fault",
    [status(404), status(401), status(500), hang_up, other(b"{}"), other(b"x" * 100, 1000)],
    ids=["404", "401", "500", "hang-up", "no-manifest", "cut"],
)
def test_the_registry_serves_what_its_mirror_does_not(
    odd: OddRegistry, served: Served, mirror: OddRegistry, tmp_path: Path, fault: Misbehaviour
) -> None:
    copy(served, mirror)
    mirror.plan("/manifests/latest", fault, always=True)

    with Worker(
        tmp_path, "logical.invalid/team/image1", registries_conf=configured(tmp_path, odd, mirror)
    ) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    assert odd.requests(served.digest) != []


@pytest.mark.parametrize(
    ("faults", "kinds"),
    [
        ([status(404)], ["image", "host", "whole"]),
        ([cut(1_000_000), status(404)], ["image", "retry", "host", "whole"]),
        ([other(b"x" * 3_010_560)], ["image", "restart", "host", "whole"]),
        ([stall(1_000_000)], ["image", "host", "whole"]),
    ],
    ids=["404", "cut", "damaged", "stall"],
)
def test_a_blob_goes_on_at_the_next_server(
    odd: OddRegistry,
    served: Served,
    mirror: OddRegistry,
    tmp_path: Path,
    faults: list[Misbehaviour],
    kinds: list[str],
) -> None:
    copy(served, mirror)
    mirror.plan(served.digest, *faults)
    conf = configured(tmp_path, odd, mirror)

    name = "logical.invalid/team/image1"
    with Worker(tmp_path, name, registries_conf=conf, patience=2.0) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    assert worker.kinds("blob") == kinds
    (moved,) = [event for event in worker.events if event["event"] == "host"]
    assert moved["host"] == odd.host


def test_the_failures_of_all_servers_are_in_the_message(
    odd: OddRegistry, mirror: OddRegistry, tmp_path: Path
) -> None:
    mirror.plan("/manifests/latest", status(403), always=True)

    with Worker(
        tmp_path, "logical.invalid/team/absent", registries_conf=configured(tmp_path, odd, mirror)
    ) as worker:
        failure = worker.failure()

    assert failure["kind"] == "not_found"
    assert f"{odd.host} has no " in failure["message"]
    assert f"{mirror.host} denies " in failure["message"]


@pytest.mark.parametrize(
    ("pulls", "by_digest", "uses_mirror"),
    [
        ("digest-only", False, False),
        ("digest-only", True, True),
        ("tag-only", False, True),
        ("tag-only", True, False),
    ],
)
def test_a_mirror_may_serve_tags_or_digests_only(
    odd: OddRegistry,
    served: Served,
    mirror: OddRegistry,
    tmp_path: Path,
    pulls: str,
    by_digest: bool,
    uses_mirror: bool,
) -> None:
    copy(served, mirror)
    conf = configured(tmp_path, odd, mirror, f'pull-from-mirror = "{pulls}"')
    end = f"@{served.image.digest}" if by_digest else ":latest"

    with Worker(tmp_path, f"logical.invalid/team/image1{end}", registries_conf=conf) as worker:
        found = worker.expect("image")

    assert found["host"] == (mirror.host if uses_mirror else odd.host)


def test_a_blocked_name_is_denied_without_a_request(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    conf = tmp_path / "blocked.conf"
    conf.write_text(f'[[registry]]\nlocation = "{odd.host}/odd"\nblocked = true\n')

    with Worker(tmp_path, served.name, registries_conf=conf) as worker:
        failure = worker.failure()

    assert failure["kind"] == "denied"
    assert "blocks" in failure["message"]
    assert odd.seen == []


def test_a_short_name_is_searched_in_order_and_an_alias_comes_first(
    odd: OddRegistry, mirror: OddRegistry, tmp_path: Path
) -> None:
    image = serve(odd, 1000, "short").image
    serve(mirror, 1000, "alias/target")
    conf = tmp_path / "short.conf"
    conf.write_text(f'unqualified-search-registries = ["127.0.0.1:1", "{odd.host}"]\n')
    drop_ins = tmp_path / "short.conf.d"

    with Worker(tmp_path, "short", registries_conf=conf) as worker:
        searched = worker.expect("image")
    drop_ins.mkdir()
    (drop_ins / "shortnames.conf").write_text(
        f'[aliases]\n"short" = "{mirror.host}/alias/target"\n'
    )
    with Worker(tmp_path, "short:latest", registries_conf=conf) as worker:
        aliased = worker.expect("image")

    assert searched["digest"] == image.digest
    assert searched["reference"] == f"{odd.host}/short:latest"
    assert aliased["reference"] == f"{mirror.host}/alias/target:latest"


def test_an_ambiguous_short_name_is_an_error_if_that_is_enforced(tmp_path: Path) -> None:
    conf = tmp_path / "short.conf"
    conf.write_text(
        'unqualified-search-registries = ["a.invalid", "b.invalid"]\n'
        'short-name-mode = "enforcing"\n'
    )

    with Worker(tmp_path, "short", registries_conf=conf) as worker:
        failure = worker.failure()

    assert failure["kind"] == "argument"
    assert "a.invalid, b.invalid" in failure["message"]


def test_hosts_toml_names_servers_with_headers_paths_and_abilities(
    odd: OddRegistry, served: Served, mirror: OddRegistry, tmp_path: Path
) -> None:
    copy(served, mirror)
    place = tmp_path / "hosts/_default"
    place.mkdir(parents=True)
    (place / "hosts.toml").write_text(f"""
server = "http://{odd.host}"
[host."http://127.0.0.1:1"]
capabilities = ["push"]
[host."http://{mirror.host}/prefix"]
capabilities = ["pull", "resolve"]
[host."http://{mirror.host}/prefix".header]
x-test = "yes"
""")

    name = "logical.invalid/odd/image1"
    with Worker(tmp_path, name, hosts_dirs=[tmp_path / "hosts"]) as worker:
        found = worker.expect("image")
        worker.fetch(served.digest, len(served.blob))
        assert served.is_here(worker)

    assert (found["reference"], found["host"]) == (f"{name}:latest", odd.host)
    asked = mirror.seen[0]
    assert asked.path == "/prefix/v2/odd/image1/manifests/latest?ns=logical.invalid"
    assert asked.headers["x-test"] == "yes"
    assert "x-test" not in odd.seen[0].headers


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def test_a_registry_on_a_unix_socket_is_asked_by_hosts_toml(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    path = tmp_path / "registry.sock"
    place = tmp_path / "hosts/local.invalid"
    place.mkdir(parents=True)
    (place / "hosts.toml").write_text(f'server = "unix://{path}"\n')

    class Local(Request):
        registry = odd

        def address_string(self) -> str:
            return "unix"

    server = _UnixServer(str(path), Local)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        name = "local.invalid/odd/image1:latest"
        with Worker(tmp_path, name, hosts_dirs=[tmp_path / "hosts"]) as worker:
            found = worker.expect("image")
            worker.fetch(served.digest, len(served.blob))
            assert served.is_here(worker)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    assert (found["reference"], found["host"]) == (name, f"unix:{path}")


def test_a_registry_at_an_ipv6_address_is_asked(tmp_path: Path) -> None:
    with OddRegistry(tmp_path, address="::1") as registry:
        served = serve(registry, 1000)
        with Worker(tmp_path, served.name) as worker:
            found = worker.expect("image")
            worker.fetch(served.digest, len(served.blob))
            assert served.is_here(worker)

    assert found["reference"] == served.name
    assert found["host"].startswith("[::1]:")
