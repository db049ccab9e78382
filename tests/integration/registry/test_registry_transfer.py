"""Blobs from a registry that cuts, stalls, lies and refuses."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.odd_registry import (
    Misbehaviour,
    OddRegistry,
    Request,
    chunked,
    cut,
    error,
    hang_up,
    other,
    ranged,
    stall,
    status,
    trickle,
    whole,
)
from tests.fixtures.registry_worker import Worker
from tests.integration.registry.conftest import Served


@pytest.mark.parametrize(
    "faults",
    [
        [cut(1_000_000)],
        [cut(0), cut(0)],
        [hang_up, cut(2_000_000), hang_up],
        [cut(1_000_000), cut(1_000_000), cut(500_000)],
        [status(503), status(502), status(500)],
        [status(408)],
        [error(429, "TOOMANYREQUESTS", "slow down", Retry_After="0")],
    ],
    ids=["cut", "cut-at-once", "no-answer", "three-cuts", "5xx", "408", "429"],
)
def test_a_blob_goes_on_where_it_stopped(
    odd: OddRegistry, served: Served, tmp_path: Path, faults: list[Misbehaviour]
) -> None:
    odd.plan(served.digest, *faults)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    retries = [event for event in worker.events if event["event"] == "retry"]
    assert len(retries) == len(faults)
    assert {event["host"] for event in retries} == {odd.host}
    assert {event["digest"] for event in retries} == {served.digest}
    assert "restart" not in worker.kinds()
    told = [event["done"] for event in worker.events if event["event"] == "blob"]
    assert told == sorted(set(told))
    assert told[-1] == len(served.blob)


def test_a_continued_blob_is_asked_for_by_a_range(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.plan(served.digest, cut(1_000_000))

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    ranges = [seen.headers.get("range") for seen in odd.requests(served.digest)]
    assert ranges == [None, "bytes=1000000-"]


def test_the_bytes_that_are_here_are_skipped_if_a_range_is_ignored(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.plan(served.digest, cut(1_000_000), whole)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    assert "restart" not in worker.kinds()


def test_a_range_that_starts_before_the_part_s_end_is_used(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.plan(served.digest, cut(1_000_000), ranged(400_000))

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    assert "restart" not in worker.kinds()


@pytest.mark.parametrize(
    "answer",
    [
        ranged(2_000_000),
        status(416, Content_Range="bytes */3002880"),
        status(206),
        status(206, b"x", Content_Range="pages 1-2/3"),
    ],
    ids=["after-the-part", "416", "no-range", "other-unit"],
)
def test_a_blob_begins_again_if_it_cannot_be_continued(
    odd: OddRegistry, served: Served, tmp_path: Path, answer: Misbehaviour
) -> None:
    odd.plan(served.digest, cut(1_000_000), answer)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    assert worker.kinds("blob") == ["image", "retry", "restart", "whole"]


def test_pieces_that_do_not_belong_together_begin_again(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    def wrong_half(request: Request, body: bytes) -> None:
        request.head(200, len(body))
        request.wfile.write(b"?" * 1_000_000)
        request.close_connection = True

    odd.plan(served.digest, wrong_half)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    assert worker.kinds("blob") == ["image", "retry", "restart", "whole"]


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (other(b"x" * 3_010_560), "invalid", "sha256:"),
        (other(b"x" * 100), "invalid", "says that it has 100 bytes"),
        (other(b"x" * 4_000_000), "invalid", "says that it has 4000000 bytes"),
        (other(b"x" * 4_000_000, None), "invalid", "more than"),
        (ranged(1, 5), "invalid", "not the beginning"),
        (status(404), "not_found", "has no blob"),
        (error(404, "BLOB_UNKNOWN"), "not_found", "has no blob"),
        (error(403, "DENIED", "not for you"), "denied", "DENIED: not for you"),
        (status(403), "denied", "HTTP 403"),
        (status(401), "unauthorized", "without credentials"),
        (error(500, "UNSUPPORTED"), "unsupported", "UNSUPPORTED"),
        (status(418), "invalid", "HTTP 418"),
        (error(400, "UNAVAILABLE", "not found, denied", Retry_After="9999"), "unavailable", "400"),
        (status(503, Retry_After="9999"), "unavailable", "HTTP 503"),
    ],
)
def test_a_blob_that_cannot_be_had_fails_with_a_kind_and_leaves_no_file(
    odd: OddRegistry,
    served: Served,
    tmp_path: Path,
    fault: Misbehaviour,
    kind: str,
    words: str,
) -> None:
    odd.plan(served.digest, fault, always=True)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        failure = worker.failed(served.digest)
        assert worker.names() == []
        assert worker.end() == 0

    assert failure["kind"] == kind
    assert words in failure["message"]
    assert served.digest in failure["message"]
    host, _, path = served.name.removesuffix(":latest").partition("/")
    assert failure["message"].startswith(host)
    assert path in failure["message"]


def test_a_blob_that_is_cut_again_and_again_is_given_up(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.plan(served.digest, status(503, Retry_After="0"), always=True)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        failure = worker.failed(served.digest)

    assert failure["kind"] == "unavailable"
    assert len(odd.requests(served.digest)) == 6


def test_a_stall_is_told_from_slowness(odd: OddRegistry, served: Served, tmp_path: Path) -> None:
    odd.plan(served.digest, stall(1_000_000), trickle(500_000, 0.4))

    with Worker(tmp_path, served.name, registries_conf=odd.conf, patience=1.0) as worker:
        served.fetch(worker)
        failure = worker.failed(served.digest)
        worker.fetch(served.digest, len(served.blob))
        assert served.is_here(worker)

    assert failure["kind"] == "stalled"
    assert "1 s" in failure["message"]


def test_a_blob_without_a_length_is_read_to_its_end(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.plan(served.digest, chunked)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        assert served.is_here(worker)

    assert worker.kinds("blob") == ["image", "whole"]


def test_a_cancelled_blob_leaves_no_file_and_may_be_ordered_again(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.plan(served.digest, stall(1_000_000))

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        while worker.expect("blob")["done"] < 1_000_000:
            pass
        worker.send({"cancel": served.digest})
        worker.fetch(served.digest, len(served.blob))
        assert served.is_here(worker)

    assert worker.kinds("blob") == ["image", "whole"]


def test_the_end_of_the_input_ends_the_worker_and_deletes_the_part(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.plan(served.digest, stall(1_000_000))

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        worker.expect("blob")
        assert worker.end() == 0

    assert worker.names() == []
    assert worker.stderr == b""


def test_a_manifest_that_is_huge_is_refused(
    odd: OddRegistry, served: Served, tmp_path: Path
) -> None:
    odd.plan("/manifests/latest", other(b" " * (9 << 20)), always=True)

    with Worker(tmp_path, served.name, registries_conf=odd.conf) as worker:
        failure = worker.failure()

    assert failure["kind"] == "invalid"
    assert "more than 8388608 bytes" in failure["message"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory that has 1 MiB."""
    place = tmp_path / "small"
    (place / "blobs").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place / "blobs"], check=True)
    yield place
    subprocess.run(["umount", place / "blobs"], check=True)


def test_a_full_disk_is_no_space_and_leaves_no_file(
    odd: OddRegistry, served: Served, small_disk: Path
) -> None:
    with Worker(small_disk, served.name, registries_conf=odd.conf) as worker:
        served.fetch(worker)
        failure = worker.failed(served.digest)
        assert worker.names() == []

    assert failure["kind"] == "no_space"
    assert str(small_disk / "blobs") in failure["message"]
    assert len(odd.requests(served.digest)) == 1
