"""`top` and `events --watch` end with a sentence when the daemon does."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from cri_shim.cli import exit_codes
from tests.fixtures.commands import LIMIT_S, Terminal, command, cri_shim, in_terminal
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A daemon for one test, which ends it."""
    with private_daemon() as started:
        yield started


@pytest.mark.parametrize("words", [("top",), ("events", "--watch")])
async def test_a_daemon_that_ends_ends_them_with_a_sentence(
    cri: Cri, words: tuple[str, ...]
) -> None:
    async with in_terminal(*command(cri, *words), env={**os.environ, "TERM": "xterm"}) as screen:
        await _shows(cri, screen, words[0])
        cri.daemon.stop()
        try:
            async with asyncio.timeout(LIMIT_S):
                assert await screen.process.wait() == exit_codes.NO_DAEMON
        finally:
            cri.daemon.start()
        await screen.until(lambda seen: b"cri-shim: " in seen)
    assert b"Traceback" not in screen.seen


async def _shows(cri: Cri, screen: Terminal, command: str) -> None:
    """Return when the command shows something."""
    if command == "top":
        await screen.until(lambda seen: b"0 pods" in seen)
        return
    seen = asyncio.create_task(screen.until(lambda seen: b"created" in seen))
    while not seen.done():
        await cri.remove_pod(await cri.run_pod())
    await seen


async def test_without_a_daemon_it_says_so(cri: Cri) -> None:
    cri.daemon.stop()
    try:
        done = await cri_shim(cri, "top")
    finally:
        cri.daemon.start()
    assert (done.returncode, done.stdout) == (exit_codes.NO_DAEMON, b"")
    assert len(done.stderr.splitlines()) == 1
