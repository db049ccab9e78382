"""logs: the past and new output of a container."""

import asyncio
import signal
from pathlib import Path

from cri_shim.pb import api_pb2 as api
from tests.fixtures.commands import (
    LIMIT_S,
    command,
    cri_shim,
    crictl,
    in_terminal,
    needs_crictl,
    shown,
)
from tests.fixtures.cri import Cri, pod_config

COUNT = "for n in 1 2 3 4; do echo line $n; done; printf unfinished; echo bad >&2"


async def counted(cri: Cri) -> str:
    container = await cri.run(await cri.run_pod(), ["sh", "-c", COUNT])
    await cri.exited(container)
    return container


async def test_stdout_and_stderr_are_written_separately(cri: Cri) -> None:
    done = await cri_shim(cri, "logs", (await counted(cri))[:13])
    assert (done.returncode, done.stderr) == (0, b"bad\n")
    assert done.stdout == b"line 1\nline 2\nline 3\nline 4\nunfinished"


async def test_tail_shows_the_last_lines(cri: Cri) -> None:
    container = await cri.run(await cri.run_pod(), ["seq", "1000"])
    await cri.exited(container)
    assert await shown(cri, "logs", "--tail", "3", container) == "998\n999\n1000\n"
    assert await shown(cri, "logs", "--tail", "0", container) == ""


async def test_times_can_be_shown_and_selected(cri: Cri) -> None:
    script = "echo old; until [ -e /tmp/go ]; do sleep 0.05; done; echo new"
    container = await cri.run(await cri.run_pod(), ["sh", "-c", script])
    await cri.sh(container, "touch /tmp/go")
    await cri.exited(container)
    lines = (await shown(cri, "logs", "-t", container)).splitlines()
    assert [line.split(" ")[1] for line in lines] == ["old", "new"]
    assert await shown(cri, "logs", "--since", lines[1].split(" ")[0], container) == "new\n"
    assert await shown(cri, "logs", "--since", "1h", container) == "old\nnew\n"
    assert await shown(cri, "logs", "--since", "2999-01-01T00:00:00Z", container) == ""


async def test_a_log_is_followed_over_its_rotation_until_the_container_ends(cri: Cri) -> None:
    script = "until [ -e /tmp/$0 ]; do sleep 0.05; done; echo got $0"
    waiting = f"sh -c '{script}' one; sh -c '{script}' two; exit 3"
    container = await cri.run(await cri.run_pod(), ["sh", "-c", waiting])
    log = Path((await cri.status(container)).log_path)
    async with in_terminal(*command(cri, "logs", "-f", container)) as terminal:
        await cri.sh(container, "touch /tmp/one")
        await terminal.until(lambda seen: b"got one" in seen)
        log.rename(log.with_suffix(".old"))
        await cri.runtime.ReopenContainerLog(api.ReopenContainerLogRequest(container_id=container))
        await cri.sh(container, "touch /tmp/two")
        await terminal.until(lambda seen: b"got two" in seen)
        async with asyncio.timeout(LIMIT_S):
            assert await terminal.process.wait() == 0
    assert terminal.seen == b"got one\r\ngot two\r\n"


async def test_ctrl_c_ends_the_following(cri: Cri) -> None:
    container = await cri.run(await cri.run_pod(), ["sh", "-c", "echo up; sleep 600"])
    async with in_terminal(*command(cri, "logs", "-f", container)) as terminal:
        await terminal.until(lambda seen: b"up" in seen)
        terminal.process.kill(signal.SIGINT)
        async with asyncio.timeout(LIMIT_S):
            assert await terminal.process.wait() == 128 + signal.SIGINT


async def test_a_container_without_a_log_is_an_error(cri: Cri) -> None:
    config = pod_config(cri.daemon)
    config.log_directory = ""
    container = await cri.run(await cri.run_pod(config), ["sleep", "600"])
    done = await cri_shim(cri, "logs", container)
    assert done.returncode == 1
    assert done.stderr == f"cri-shim: container {container} keeps no log\n".encode()


@needs_crictl
async def test_a_log_equals_crictls(cri: Cri) -> None:
    script = "for n in 1 2 3; do echo out $n; echo err $n >&2; done"
    container = await cri.run(await cri.run_pod(), ["sh", "-c", script])
    await cri.exited(container)
    for words in ([], ["-t"], ["--tail", "2"], ["--since", "1h"]):
        theirs = await crictl(cri, "logs", *words, container)
        ours = await cri_shim(cri, "logs", *words, container)
        assert (ours.stdout, ours.stderr) == (theirs.stdout, theirs.stderr)
