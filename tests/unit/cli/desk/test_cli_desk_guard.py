"""Requests of the page: what is answered, and that nothing else is."""

import pytest

from cri_shim.cli.desk.guard import SECURITY, Guard
from cri_shim.streaming.upgrade import Refusal

PORT = 8787
HOST = b"127.0.0.1:8787"


@pytest.fixture
def guard() -> Guard:
    return Guard(PORT, ["", "page.js", "events"], token="secret")


def answer(
    guard: Guard, target: bytes, host: bytes | None = HOST, method: bytes = b"GET"
) -> str | int:
    headers = [] if host is None else [(b"Host", host)]
    found = guard.answer(method, target, headers)
    return found.status if isinstance(found, Refusal) else found


def test_the_page_and_its_parts_are_below_the_token(guard: Guard) -> None:
    assert guard.url == "http://127.0.0.1:8787/secret/"
    assert answer(guard, b"/secret/") == ""
    assert answer(guard, b"/secret/page.js?x=1") == "page.js"


@pytest.mark.parametrize("host", [b"localhost:8787", b"LOCALHOST:8787", b"[::1]:8787"])
def test_every_name_of_the_loopback_is_accepted(guard: Guard, host: bytes) -> None:
    assert answer(guard, b"/secret/", host) == ""


@pytest.mark.parametrize(
    "host",
    [
        None,
        b"",
        b"127.0.0.1",
        b"127.0.0.1:80",
        b"evil.example:8787",
        b"127.0.0.1.evil.example:8787",
        b"localhost:8787.evil.example",
        b"\xff",
    ],
)
def test_another_host_is_refused_also_with_the_token(guard: Guard, host: bytes | None) -> None:
    assert answer(guard, b"/secret/", host) == 421


def test_two_hosts_are_refused(guard: Guard) -> None:
    headers = [(b"host", HOST), (b"host", HOST)]
    assert isinstance(guard.answer(b"GET", b"/secret/", headers), Refusal)


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/secret",
        b"/Secret/",
        b"/secre/",
        b"/secrets/",
        b"//secret/",
        b"/secret//",
        b"/secret/../secret/",
        b"/secret/other",
        b"secret/",
        b"http://127.0.0.1:8787/secret/",
        b"/\xff/",
        b"*",
    ],
)
def test_without_the_exact_path_nothing_is_there(guard: Guard, target: bytes) -> None:
    assert answer(guard, target) == 404


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"HEAD", b"get"])
def test_nothing_but_get_is_answered(guard: Guard, method: bytes) -> None:
    assert answer(guard, b"/secret/", method=method) == 405
    assert answer(guard, b"/wrong/", method=method) == 404


def test_each_run_has_a_token_of_its_own() -> None:
    assert Guard(PORT, []).token != Guard(PORT, []).token
    assert len(Guard(PORT, []).token) >= 32


def test_the_page_may_load_nothing_from_elsewhere_and_be_in_no_frame() -> None:
    policy = dict(SECURITY)["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
