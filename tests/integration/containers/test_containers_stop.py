"""The effects of a stop on a container, and the calls that work during it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cri_shim.errors import WrongState
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from tests.fixtures import limits
from tests.fixtures.busybox import archive
from tests.fixtures.cri import Cri, container_config

WAITS = "trap 'touch /tmp/asked' TERM; while :; do usleep 10000; done"


@asynccontextmanager
async def stopping(cri: Cri, container: str, timeout: int) -> AsyncIterator[None]:
    """The block runs while StopContainer is under way; afterwards it has answered."""
    stop = asyncio.create_task(cri.stop(container, timeout))
    try:
        yield
    finally:
        await stop


async def freeze(cri: Cri, container: str) -> None:
    group = limits.groups((await cri.info(container))["pid"], "freezer")[-1]
    file, word = ("cgroup.freeze", "1") if limits.V2 else ("freezer.state", "FROZEN")
    (group / file).write_text(word)


async def urls(cri: Cri, container: str) -> None:
    """Ask for exec sessions until they are refused."""
    asked = api.ExecRequest(container_id=container, cmd=["true"], stdout=True)
    async with asyncio.timeout(10):
        while True:
            await cri.runtime.Exec(asked)
            await asyncio.sleep(0.05)


async def test_the_stop_signal_of_the_image_is_used_and_reported(cri: Cri, handler: str) -> None:
    name = "localhost/stops:usr2"
    file = archive(cri.daemon.directory / "stops.tar", {"StopSignal": "SIGUSR2"}, name)
    await cri.control.LoadImage(control.LoadImageRequest(source=f"docker-archive:{file}"))
    script = "trap 'exit 9' USR2; while :; do usleep 10000; done"
    container = await cri.create(
        await cri.run_pod(handler=handler), container_config(["sh", "-c", script], image=name)
    )
    await cri.start(container)
    await cri.sh(container, "true")

    await cri.stop(container, 10)

    status = await cri.status(container)
    assert (status.exit_code, status.stop_signal) == (9, api.SIGNAL_SIGUSR2)


async def test_commands_run_in_a_container_that_is_stopping(cri: Cri, handler: str) -> None:
    container = await cri.run(await cri.run_pod(handler=handler), ["sh", "-c", WAITS])
    await cri.sh(container, "true")

    async with stopping(cri, container, 60):
        told = await cri.sh(container, "until test -e /tmp/asked; do :; done; echo still here")
        answer = await cri.runtime.Exec(
            api.ExecRequest(container_id=container, cmd=["true"], stdout=True)
        )
        await cri.stop(container, 0)

    assert told == "still here\n"
    assert answer.url
    assert (await cri.status(container)).exit_code == 137


async def test_a_frozen_container_is_stopped(cri: Cri, handler: str) -> None:
    container = await cri.run(await cri.run_pod(handler=handler), ["sleep", "600"])
    await freeze(cri, container)
    await cri.stop(container, 1)
    assert (await cri.status(container)).exit_code == 137


@pytest.mark.skipif(limits.V2, reason="needs control groups v1: a frozen process takes no SIGKILL")
@pytest.mark.parametrize("timeout", [0, 1])
async def test_no_command_is_started_once_killing_begins_and_a_frozen_container_dies_too(
    cri: Cri, timeout: int
) -> None:
    container = await cri.run(await cri.run_pod(), ["sleep", "600"])
    await freeze(cri, container)

    async with stopping(cri, container, timeout):
        with pytest.raises(WrongState, match="is being killed"):
            await urls(cri, container)
        with pytest.raises(WrongState, match="is being killed"):
            await cri.exec(container, "true")

    # It was thawed after the wait had timed out.
    assert f"({container[:12]}) still lives 2 s after SIGKILL" in cri.daemon.log.read_text()
    assert (await cri.status(container)).exit_code == 137
