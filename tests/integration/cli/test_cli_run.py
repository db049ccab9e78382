"""run: its options, the input, exit codes, signals, and what is left after it."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.aio import child
from cri_shim.aio.offload import offload
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures import busybox
from tests.fixtures.commands import LIMIT_S, command, cri_shim, in_terminal, shown
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.host import until

BUSYBOX = busybox.NAME


async def test_input_is_passed_on_and_both_outputs_are_complete(cri: Cri) -> None:
    script = "wc -c; head -c 300000 /dev/zero; echo oops >&2; exit 3"
    done = await child.run(
        command(cri, "run", "-i", BUSYBOX, "sh", "-c", script),
        stdin=bytes(200_000), timeout=LIMIT_S, limit=1_000_000,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (3, b"oops\n")
    assert done.stdout == b"200000\n" + bytes(300_000)
    assert await cri.pods() == []


async def test_the_options_of_podman_reach_the_container(cri: Cri, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("data\n")
    tmp_path.chmod(0o755)
    flags = ["--name", "web_1", "-e", "WHO=me", "-w", "/work", "-u", "1000:10", "-v"]
    flags += [f"{tmp_path}/in:/work/in:ro", "-m", "64m", "--cpus", "0.5", "--read-only"]
    script = "cat in; echo $WHO $PWD $(hostname) $(id -u):$(id -g); echo x >/x; echo x >in; true"
    done = await cri_shim(cri, "run", *flags, BUSYBOX, "sh", "-c", script)
    assert done.returncode == 0, done
    assert done.stdout == b"data\nme /work web-1 1000:10\n"
    assert done.stderr.count(b"Read-only file system") == 2


async def test_an_entrypoint_replaces_the_command_of_the_image(cri: Cri) -> None:
    assert await shown(cri, "run", "--entrypoint", "echo", BUSYBOX, "a", "b") == "a b\n"
    assert await shown(cri, "run", "--entrypoint", '["echo", "x"]', BUSYBOX, "y") == "x y\n"


@pytest.mark.parametrize("flags", [[], ["-i"], ["-d"]])
async def test_a_command_that_cannot_run_has_podmans_codes(cri: Cri, flags: list[str]) -> None:
    missing = await cri_shim(cri, "run", *flags, BUSYBOX, "nothing-like-this")
    assert missing.returncode == 127, missing
    assert b"nothing-like-this" in missing.stderr
    refused = await cri_shim(cri, "run", *flags, BUSYBOX, "/etc/passwd")
    assert refused.returncode == 126, refused
    assert await cri.pods() == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-v", "data:/data"], b"there are no named volumes"),
        (["-v", "/data"], b"must be HOST:CONTAINER"),
        (["-p", "http"], b"-p http: must be"),
        (["-u", "me:staff"], b"the group must be a number"),
        (["--network", "host", "-p", "80"], b"has no effect with --network host"),
    ],
)
async def test_values_that_make_no_sense_are_refused_in_a_sentence(
    cri: Cri, flags: list[str], words: bytes
) -> None:
    done = await cri_shim(cri, "run", *flags, "localhost/nothing:1", "true")
    assert done.returncode == 2
    assert done.stderr.startswith(b"cri-shim: ")
    assert words in done.stderr
    assert done.stderr.count(b"\n") == 1


async def test_an_image_that_may_not_be_pulled_is_named(cri: Cri) -> None:
    done = await cri_shim(cri, "run", "--pull", "never", "localhost/nothing:1", "true")
    assert done.returncode == 125
    words = b"image localhost/nothing:1 is not on this node, and --pull is never"
    assert done.stderr == b"cri-shim: " + words + b"\n"


async def test_a_terminal_is_the_commands(cri: Cri) -> None:
    async with in_terminal(*command(cri, "run", "-it", BUSYBOX, "sh")) as terminal:
        await terminal.until(lambda seen: b"# " in seen)
        terminal.type(b"tty; exit 4\n")
        await terminal.until(lambda seen: b"/dev/pts/0" in seen)
        async with asyncio.timeout(LIMIT_S):
            assert await terminal.process.wait() == 4
    assert await cri.pods() == []


async def test_a_detached_pod_stays_with_its_logs_and_leaves_nothing_when_removed(
    cri: Cri,
) -> None:
    script = "echo hello; exec sleep 600"
    pod = (await shown(cri, "run", "-d", "--name", "bg", BUSYBOX, "sh", "-c", script)).strip()
    (container,) = await cri.containers(pod_sandbox_id=pod)
    await until(lambda: b"hello" in log_of(cri, pod))
    assert (await cri.status(container)).state == api.CONTAINER_RUNNING

    await shown(cri, "rm", "-f", pod)
    assert list((cri.daemon.root / "logs").iterdir()) == []


def log_of(cri: Cri, pod: str) -> bytes:
    return (cri.daemon.root / "logs" / pod / "0.log").read_bytes()


async def test_a_detached_pod_with_rm_is_removed_when_its_command_ends(cri: Cri) -> None:
    script = "until test -e /go; do sleep 0.02; done"
    pod = (await shown(cri, "run", "-d", "--rm", BUSYBOX, "sh", "-c", script)).strip()
    (container,) = await cri.containers(pod_sandbox_id=pod)
    await cri.touch(container, "/go")
    await gone(cri, pod)


async def gone(cri: Cri, pod: str) -> None:
    async with asyncio.timeout(LIMIT_S):
        while pod in await cri.pods():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def one_pod(cri: Cri) -> str:
    """Return the pod whose container runs."""
    running = api.ContainerStateValue(state=api.CONTAINER_RUNNING)
    async with asyncio.timeout(LIMIT_S):
        while not await cri.containers(state=running):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    (pod,) = await cri.pods()
    return pod


async def test_the_daemon_removes_the_pod_of_a_client_that_was_killed(cri: Cri) -> None:
    running = child.spawn(command(cri, "run", BUSYBOX, "sleep", "600"))
    try:
        pod = await one_pod(cri)
        running.kill(signal.SIGKILL)
        await gone(cri, pod)
    finally:
        await running.end()


@pytest.fixture
def own() -> Iterator[Daemon]:
    """A daemon that the test kills."""
    with private_daemon(3) as started:
        yield started


async def test_a_restarted_daemon_removes_the_pods_of_earlier_clients_but_no_detached_ones(
    own: Daemon,
) -> None:
    async with Client(own.socket) as client:
        before = Cri(own, client)
        running = child.spawn(command(before, "run", BUSYBOX, "sleep", "600"))
        leased = await one_pod(before)
        detached = (await shown(before, "run", "-d", BUSYBOX, "sleep", "600")).strip()
    own.kill()
    async with asyncio.timeout(LIMIT_S):
        assert await running.wait() == 125
    own.start()
    async with Client(own.socket) as client:
        after = Cri(own, client)
        await gone(after, leased)
        assert await after.pods() == [detached]
        await after.remove_all()
    assert own.traces() == []


async def test_a_signal_is_passed_on_to_a_command_that_catches_it(cri: Cri) -> None:
    script = "trap 'echo caught; exit 9' INT; while :; do sleep 0.05; done"
    reading, writing = os.pipe()
    running = child.spawn(command(cri, "run", BUSYBOX, "sh", "-c", script), stdout=writing)
    os.close(writing)
    try:
        pod = await one_pod(cri)
        await trapped(cri, pod)
        running.kill(signal.SIGINT)
        with os.fdopen(reading, "rb") as output:
            assert await offload(output.read) == b"caught\n"
        async with asyncio.timeout(LIMIT_S):
            assert await running.wait() == 9
    finally:
        await running.end()


async def trapped(cri: Cri, pod: str) -> None:
    """Return when the pod's first process catches SIGINT."""
    (container,) = await cri.containers(pod_sandbox_id=pod)
    status = Path(f"/proc/{(await cri.info(container))['pid']}/status")

    def catches() -> bool:
        line = next(x for x in status.read_text().splitlines() if x.startswith("SigCgt:"))
        return bool(int(line.split()[1], 16) & 1 << (signal.SIGINT - 1))

    await until(catches)


async def test_a_second_signal_ends_a_command_that_goes_on(cri: Cri) -> None:
    script = "trap : TERM; while :; do sleep 0.05; done"
    errors, error = os.pipe()
    running = child.spawn(command(cri, "run", BUSYBOX, "sh", "-c", script), stderr=error)
    os.close(error)
    try:
        pod = await one_pod(cri)
        (container,) = await cri.containers(pod_sandbox_id=pod)
        status = Path(f"/proc/{(await cri.info(container))['pid']}/status")
        await until(lambda: "SigCgt:\t0000000000000000" not in status.read_text())
        running.kill(signal.SIGTERM)
        with os.fdopen(errors, "rb", 0) as words:
            async with asyncio.timeout(LIMIT_S):
                said = await offload(words.read, 200)
        assert said == b"cri-shim: SIGTERM was passed on to the command; again to kill it\n"
        running.kill(signal.SIGTERM)
        async with asyncio.timeout(LIMIT_S):
            assert await running.wait() == 128 + signal.SIGTERM
    finally:
        await running.end()
    assert await cri.pods() == []
