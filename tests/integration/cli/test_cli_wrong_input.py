"""Commands with wrong input: one plain sentence, and an exit code that is not 0."""

from collections.abc import AsyncIterator, Iterator

import pytest

from cri_shim.rpc.client import Client
from tests.fixtures.commands import cri_shim
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.foreign_words import foreign

NEVER = ("run", "--pull", "never")
WRONG: tuple[tuple[str, ...], ...] = (
    ("logs", ""), ("logs", "a b"), ("logs", "--tail", "x", "y"), ("exec", "", "ls"),
    ("exec", "x y", "ls"), ("exec", "web"), ("inspect", ""), ("stop", ""), ("rm", "a\x1b[31m"),
    ("run", "", "x"), ("run", "Foo Bar", "x"), (*NEVER, "-v", "x", "localhost/busybox:test"),
    (*NEVER, "-e", "=x", "localhost/busybox:test"),
    (*NEVER, "-u", "nosuch", "localhost/busybox:test"),
    ("image", "rm", ""), ("image", "tag", "localhost/busybox:test", "A B"),
    ("image", "save", "nosuch", "/nope/x"), ("image", "load", "/nope"), ("image", "pull", "a b"),
    ("ps", "--pod", "x y"), ("ps", "--name", "("), ("pods", "--label", "x"), ("hooks", "nosuch"),
    ("config", "--from-crio", "/nope"), ("log-level", "x"), ("serv",), ("pods", "-o", "nosuch"),
    ("pods", "-o", "go-template={{"), ("--nosuch",),
)  # fmt: skip


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with private_daemon(0) as started:
        yield started


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    async with Client(daemon.socket) as client:
        yield Cri(daemon, client)


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
async def test_wrong_input_is_told_in_plain_words(cri: Cri, words: tuple[str, ...]) -> None:
    done = await cri_shim(cri, *words)

    told = done.stderr.decode().strip().splitlines()
    assert done.returncode != 0
    assert told
    assert foreign(told[-1]) == []
    assert "Traceback" not in done.stderr.decode()
