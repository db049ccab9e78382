"""Ranges, parts, tries, proxies, requests, events and failures: the small pieces of a transfer."""

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from cri_shim.registry import ranges, request
from cri_shim.registry.events import Events
from cri_shim.registry.failure import Failure, together
from cri_shim.registry.part import Part
from cri_shim.registry.proxies import proxy_for
from cri_shim.registry.request import Cancel, Fetch
from cri_shim.registry.retry import BLOB_TRIES, Backoff

DATA = b"content" * 1000
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
PROXIES = {"HTTP_PROXY": "http://p:1", "https_proxy": "q:2"}


def test_a_range_is_asked_for_from_the_part_s_end_on() -> None:
    assert ranges.request(0) == {}
    assert ranges.request(7) == {"Range": "bytes=7-"}


@pytest.mark.parametrize(
    ("status", "headers", "skip"),
    [
        (206, {"Content-Range": "bytes 40-99/100"}, 0),
        (206, {"Content-Range": "bytes 30-99/100"}, 10),
        (206, {"Content-Range": "bytes 40-99/*"}, 0),
        (206, {"Content-Range": "bytes 40-49/100"}, 0),
        (200, {"Content-Length": "100"}, 40),
        (200, {}, 40),
    ],
)
def test_the_bytes_that_are_here_are_skipped(
    status: int, headers: dict[str, str], skip: int
) -> None:
    assert ranges.to_skip(status, headers, 40, 100, "it") == skip


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (416, {}),
        (206, {}),
        (206, {"Content-Range": "bytes 41-99/100"}),
        (206, {"Content-Range": "bytes */100"}),
        (206, {"Content-Range": "items 40-99/100"}),
    ],
)
def test_what_does_not_continue_the_part_begins_again(status: int, headers: dict[str, str]) -> None:
    with pytest.raises(ranges.BeginAgain):
        ranges.to_skip(status, headers, 40, 100, "it")


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, {"Content-Length": "99"}), (206, {"Content-Range": "bytes 40-99/101"})],
)
def test_a_blob_of_another_size_is_refused(status: int, headers: dict[str, str]) -> None:
    with pytest.raises(Failure, match="says that it has") as e:
        ranges.to_skip(status, headers, 40, 100, "it")

    assert e.value.kind == "invalid"


def test_a_part_is_renamed_when_it_is_kept(tmp_path: Path) -> None:
    part = Part(tmp_path, DIGEST)
    part.write(DATA[:3])
    assert (part.size, part.is_verified()) == (3, False)
    part.write(memoryview(DATA)[3:])
    assert part.is_verified()

    part.keep()

    assert [path.name for path in tmp_path.iterdir()] == [DIGEST.removeprefix("sha256:")]
    assert next(tmp_path.iterdir()).read_bytes() == DATA


def test_a_part_begins_again_in_a_new_file(tmp_path: Path) -> None:
    part = Part(tmp_path, DIGEST)
    part.write(b"wrong")
    with next(tmp_path.iterdir()).open("rb") as former:
        part.restart()
        part.write(DATA)

        assert former.read() == b"wrong"
    assert (part.size, part.is_verified()) == (len(DATA), True)
    part.close()
    part.unlink()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_no_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    part = Part(tmp_path, DIGEST)

    def full(fd: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch, pytest.raises(Failure, match="no space left in") as e:
        patch.setattr(os, "write", full)
        part.write(DATA)

    assert e.value.kind == "no_space"
    assert str(tmp_path) in e.value.message
    part.close()


def test_a_directory_that_is_missing_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cannot store the blob"):
        Part(tmp_path / "none", DIGEST)


def test_waits_grow_and_end() -> None:
    backoff = Backoff(5, chance=lambda: 1.0)

    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 2.0, 4.0, None]
    backoff.reset()
    assert backoff.next() == 0.5


def test_half_of_a_wait_is_chance_and_no_wait_is_longer_than_a_limit() -> None:
    waits = [Backoff(3, chance=lambda c=c: c).next() for c in (0.0, 1.0)]  # type: ignore[misc]
    many = Backoff(100, chance=lambda: 1.0)

    assert waits == [0.25, 0.5]
    assert max(many.next() or 0 for _ in range(50)) == 30.0


def test_the_wait_that_a_registry_asks_for_is_kept_unless_it_is_very_long() -> None:
    assert Backoff(BLOB_TRIES, chance=lambda: 0.0).next(7.0) == 7.25
    assert Backoff(BLOB_TRIES).next(121.0) is None


@pytest.mark.parametrize(
    ("url", "no_proxy", "proxy"),
    [
        ("http://a.example/x", "", "http://p:1"),
        ("https://a.example/x", "", "http://q:2"),
        ("http://127.0.0.1:5000/", "", ""),
        ("http://localhost/", "", ""),
        ("http://[::1]:5000/", "", ""),
        ("http://a.example/", "*", ""),
        ("http://a.example/", "b.example, a.example", ""),
        ("http://x.a.example/", "a.example", ""),
        ("http://A.example/", "a.EXAMPLE", ""),
        ("http://x.a.example/", ".a.example", ""),
        ("http://a.example/", ".a.example", "http://p:1"),
        ("http://xa.example/", "a.example", "http://p:1"),
        ("http://x.a.example/", "*.a.example", ""),
        ("http://a.example/", "a.example:80", ""),
        ("http://a.example:5000/", "a.example:80", "http://p:1"),
        ("http://10.1.2.3/", "10.0.0.0/8", ""),
        ("http://11.1.2.3/", "10.0.0.0/8", "http://p:1"),
        ("http://[fd00::1]/", "fd00::/8", ""),
        ("http://[fd00::1]/", "fd00::1", ""),
        ("http://[fd00::1]:5000/", "[fd00::1]:5000", ""),
        ("http://10.1.2.3/", "10.1.2.3", ""),
        ("http://a.example/", "10.0.0.0/99,,", "http://p:1"),
    ],
)
def test_a_proxy_is_chosen_as_programs_in_go_do(url: str, no_proxy: str, proxy: str) -> None:
    assert proxy_for(url, {**PROXIES, "no_proxy": no_proxy}) == proxy


def test_without_variables_there_is_no_proxy() -> None:
    assert proxy_for("http://a.example/", {}) == ""


def test_a_request_is_read() -> None:
    line = {
        "image": "x", "auth": {"password": "secret"}, "patience": 5, "layers_at_once": 1000,
        "certs_dirs": ["/a"], "blobs": "/b", "architecture": "amd64",
    }  # fmt: skip

    found = request.request(json.dumps(line).encode())

    assert (found.image, found.patience, found.layers_at_once) == ("x", 5.0, 64)
    assert (found.certs_dirs, found.hosts_dirs, found.registries_conf) == (("/a",), (), "")
    assert "secret" not in repr(found)


@pytest.mark.parametrize("line", [b"", b"[]", b"no", b'{"image": 7}', b'{"patience": "x"}'])
def test_a_malformed_request_is_an_argument(line: bytes) -> None:
    with pytest.raises(Failure) as e:
        request.request(line)

    assert e.value.kind == "argument"


def test_orders_are_read() -> None:
    assert request.order(b'{"fetch": "%b", "size": 5}' % DIGEST.encode()) == Fetch(DIGEST, 5)
    assert request.order(b'{"cancel": "%b"}' % DIGEST.encode()) == Cancel(DIGEST)
    for line in (b"{}", b'{"fetch": "sha256:../../x", "size": 1}', b'{"fetch": "x"}'):
        with pytest.raises(Failure, match="no digest or no size"):
            request.order(line)


def test_events_are_lines() -> None:
    reader, writer = os.pipe()
    events = Events(writer)
    events.retry("d", "h", 2, Failure("unavailable", "why"), 1.23456)
    events.failed("d", Failure("stalled", "two\nlines"))
    events.warning("beware")
    os.close(writer)

    with os.fdopen(reader) as lines:
        assert [json.loads(line) for line in lines] == [
            {"event": "retry", "digest": "d", "host": "h", "attempt": 2, "reason": "why",
             "wait": 1.235},
            {"event": "failed", "digest": "d", "kind": "stalled", "message": "two | lines"},
            {"event": "warning", "message": "beware"},
        ]  # fmt: skip


def test_failures_together_have_the_last_one_s_kind_and_all_texts() -> None:
    first, last = Failure("denied", "one"), Failure("not_found", "two")

    found = together([first, last], "before that")

    assert (found.kind, found.message) == ("not_found", "two (before that: one)")
    assert together([last], "") is last
