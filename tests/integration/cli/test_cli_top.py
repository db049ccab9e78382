"""`top` and `events --watch`: live on a terminal, one table elsewhere, and plain words when not."""

import asyncio
import os
import re
import signal
import termios

import pytest

from cri_shim.cli import exit_codes
from tests.fixtures.commands import (
    LIMIT_S,
    command,
    cri_shim,
    in_terminal,
    shown,
    shown_json,
)
from tests.fixtures.cri import Cri, container_config, pod_config

MIB = 1 << 20
BUSY = "dd if=/dev/zero of=/tmp/x bs=1M count=1 2>/dev/null; while :; do :; done"


@pytest.fixture
async def busy(cri: Cri) -> str:
    """A container that uses the CPU and has a limit of memory, beside one that sleeps."""
    pod = await cri.run_pod(pod_config(cri.daemon, "busy"))
    config = container_config(["sh", "-c", BUSY], "worker")
    config.metadata.attempt = 2
    config.linux.resources.memory_limit_in_bytes = 64 * MIB
    container = await cri.create(pod, config)
    await cri.start(container)
    await cri.run(await cri.run_pod(pod_config(cri.daemon, "idle")), ["sleep", "600"], "sleeper")
    return container


async def test_a_pipe_gets_one_table_sorted_by_cpu(cri: Cri, busy: str) -> None:
    head, *rows = (await shown(cri, "top")).splitlines()
    assert head.split()[:4] == ["NAME", "CPU", "%", "MEMORY"]
    names = [row.split()[0] for row in rows]
    assert names == ["test/busy", "worker", "test/idle", "sleeper"]
    assert float(rows[1].split()[1]) > float(rows[3].split()[1])
    assert rows[1].split()[-1] == busy[:13]


async def test_the_json_has_all_values(cri: Cri, busy: str) -> None:
    found = await shown_json(cri, "top", "--sort", "name", "-o", "json")
    pod, idle = found["pods"]
    (worker,) = pod["containers"]
    assert (pod["namespace"], pod["name"], pod["restarts"]) == ("test", "busy", 2)
    assert (worker["id"], worker["name"], worker["restarts"]) == (busy, "worker", 2)
    assert worker["memoryLimitBytes"] == 64 * MIB
    assert 0 < worker["memoryBytes"] <= 64 * MIB
    assert worker["pids"] >= 1
    assert worker["cpuPercent"] > 0
    assert pod["memoryBytes"] >= worker["memoryBytes"] > 0
    assert idle["containers"][0]["memoryLimitBytes"] is None


async def test_ids_are_printed_for_other_commands(cri: Cri, busy: str) -> None:
    assert busy in (await shown(cri, "top", "-q")).split()


@pytest.mark.parametrize("columns", [60, 120])
async def test_a_terminal_is_drawn_again_and_fits(cri: Cri, busy: str, columns: int) -> None:
    words = command(cri, "top", "--interval", "0.2s")
    async with in_terminal(*words, env={**os.environ, "TERM": "xterm"}) as screen:
        termios.tcsetwinsize(screen.fd, (24, columns))
        await screen.until(lambda seen: seen.count(b"test/idle") >= 2)
        screen.process.kill(signal.SIGINT)
        async with asyncio.timeout(LIMIT_S):
            assert await screen.process.wait() == 130
    lines = re.sub(r"\x1b\[\d*[A-Z]", "", screen.seen.decode()).split("\n")
    assert max(len(line.strip("\r")) for line in lines) < columns
    assert b"\x1b[" in screen.seen
    assert b"2 pods, 2 containers, CPU " in screen.seen


async def test_a_dumb_terminal_gets_tables_without_control_sequences(cri: Cri, busy: str) -> None:
    words = command(cri, "top", "--interval", "0.2s")
    async with in_terminal(*words, env={**os.environ, "TERM": "dumb"}) as screen:
        termios.tcsetwinsize(screen.fd, (4, 60))
        await screen.until(lambda seen: seen.count(b"test/idle") >= 2)
    assert b"\x1b" not in screen.seen


async def test_once_ends_also_on_a_terminal(cri: Cri, busy: str) -> None:
    async with in_terminal(*command(cri, "top", "--once")) as screen:
        async with asyncio.timeout(LIMIT_S):
            assert await screen.process.wait() == 0
        await screen.until(lambda seen: b"sleeper" in seen)


async def test_more_rows_than_the_screen_has_are_counted(cri: Cri, busy: str) -> None:
    words = command(cri, "top", "--interval", "0.2s")
    async with in_terminal(*words, env={**os.environ, "TERM": "xterm"}) as screen:
        termios.tcsetwinsize(screen.fd, (5, 100))
        await screen.until(lambda seen: b"and 3 more rows" in seen)
    assert b"sleeper" not in screen.seen


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("nosuch",), exit_codes.NOT_FOUND, "no container or pod with name or ID nosuch"),
        (("--sort", "size"), exit_codes.USAGE, "size"),
        (("--interval", "soon"), exit_codes.USAGE, "must be a time span like 30s or 1m30s"),
        (("worker", "--once"), exit_codes.USAGE, "are for top without a CONTAINER"),
    ],
)
async def test_wrong_words_are_one_sentence(
    cri: Cri, busy: str, words: tuple[str, ...], code: int, text: str
) -> None:
    done = await cri_shim(cri, "top", *words)
    assert done.returncode == code
    assert text in done.stderr.decode()
    assert b"Traceback" not in done.stderr


async def test_events_without_a_past_are_not_ended(cri: Cri) -> None:
    done = await cri_shim(cri, "events", "--no-follow")
    assert done.returncode == exit_codes.USAGE
    assert b"--no-follow needs --since" in done.stderr
