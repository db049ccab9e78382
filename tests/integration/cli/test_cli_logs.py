"""logs: the past and new output of a container."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from cri_shim.aio import child
from cri_shim.errors import CriShimError
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
from tests.fixtures.cri import Cri, container_config, pod_config

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
    assert done.stderr.endswith(b"/main has no log file: it was created without one\n")


async def test_the_log_of_a_container_that_never_started_tells_why(cri: Cri) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, "web"))
    container = await cri.create(pod, container_config(["/nosuch"]))
    waits = await cri_shim(cri, "logs", "web")
    assert (waits.returncode, waits.stdout) == (1, b"")
    assert waits.stderr == b"cri-shim: container test/web/main was not started yet\n"
    with pytest.raises(CriShimError):
        await cri.start(container)
    done = await cri_shim(cri, "logs", "web")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"cri-shim: container test/web/main never started: StartError: ")
    assert b"/nosuch" in done.stderr


async def test_a_log_file_that_is_gone_is_an_error_that_names_it(cri: Cri) -> None:
    log = Path((await cri.status(container := await counted(cri))).log_path)
    log.unlink()
    done = await cri_shim(cri, "logs", container)
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"its log file {log} is not there (rotated or removed)" in done.stderr.decode()


async def test_a_path_is_read_without_a_daemon(cri: Cri) -> None:
    log = (await cri.status(await counted(cri))).log_path
    done = await child.run(
        [sys.executable, "-m", "cri_shim", "--socket", "/nope", "logs", "--tail", "1", log],
        timeout=LIMIT_S,
    )
    assert (done.returncode, done.stderr) == (0, b"bad\n")


async def test_one_stream_and_a_number_of_bytes_can_be_chosen(cri: Cri) -> None:
    container = await counted(cri)
    assert await shown(cri, "logs", "--stream", "stdout", "--tail", "1", container) == "unfinished"
    done = await cri_shim(cri, "logs", "--stream", "stderr", container)
    assert (done.stdout, done.stderr) == (b"", b"bad\n")
    limited = await shown(cri, "logs", "--stream", "stdout", "--limit-bytes", "9", container)
    assert limited == "line 1\nli"


async def test_a_pod_shows_the_logs_of_all_its_containers(cri: Cri) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, "web"))
    for name in ("one", "two"):
        await cri.exited(await cri.run(pod, ["sh", "-c", f"echo I am {name}"], name))
    lines = (await shown(cri, "logs", "web")).splitlines()
    assert sorted(lines) == ["[test/web/one] I am one", "[test/web/two] I am two"]
    assert await shown(cri, "logs", "web/two") == "I am two\n"
    some = await cri_shim(cri, "logs", "web/two", "nothing", "web/one")
    assert some.stdout == b"[test/web/two] I am two\n[test/web/one] I am one\n"
    assert (some.returncode, some.stderr) == (
        4,
        b"cri-shim: no container or pod with name or ID nothing\n",
    )


async def test_the_previous_instance_is_found_by_its_record_or_its_file(cri: Cri) -> None:
    pod = await cri.run_pod(pod_config(cri.daemon, "web"))
    made = []
    for attempt in (0, 1):
        config = container_config(["sh", "-c", f"echo attempt {attempt}"])
        config.metadata.attempt = attempt
        config.log_path = f"main/{attempt}.log"
        made.append(await cri.create(pod, config))
        await cri.start(made[-1])
        await cri.exited(made[-1])
    assert await shown(cri, "logs", "web") == "attempt 1\n"
    assert await shown(cri, "logs", "-p", "web") == "attempt 0\n"
    log = Path((await cri.status(made[0])).log_path)
    kept = log.read_bytes()
    await cri.remove(made[0])
    log.write_bytes(kept)  # as a kubelet keeps it
    assert await shown(cri, "logs", "-p", "test/web/main") == "attempt 0\n"
    log.unlink()
    assert (await cri_shim(cri, "logs", "-p", "web")).returncode == 1


async def test_a_container_that_was_not_restarted_has_no_previous_log(cri: Cri) -> None:
    done = await cri_shim(cri, "logs", "-p", await counted(cri))
    assert done.returncode == 4
    assert done.stderr.endswith(b"has no previous instance: it was not restarted\n")


@needs_crictl
async def test_a_log_equals_crictls(cri: Cri) -> None:
    script = "for n in 1 2 3; do echo out $n; echo err $n >&2; done"
    container = await cri.run(await cri.run_pod(), ["sh", "-c", script])
    await cri.exited(container)
    for words in ([], ["-t"], ["--tail", "2"], ["--since", "1h"]):
        theirs = await crictl(cri, "logs", *words, container)
        ours = await cri_shim(cri, "logs", *words, container)
        assert (ours.stdout, ours.stderr) == (theirs.stdout, theirs.stderr)
