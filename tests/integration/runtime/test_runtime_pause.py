"""A paused container: frozen, and thawed by whatever ends it; over crashes, with crun and runc."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from cri_shim import Runtime, faults
from cri_shim.aio import child
from cri_shim.containers import pause, query
from cri_shim.errors import TimedOut, WrongState
from cri_shim.faults import InjectedFault
from cri_shim.library.container import Container
from cri_shim.linux import process
from cri_shim.pb import api_pb2 as api
from tests.fixtures.library import Place
from tests.integration.runtime.conftest import load_busybox, running

TICKING = "trap 'exit 7' TERM; i=0; while :; do i=$((i+1)); echo $i > /tick; usleep 1000; done"


@pytest.fixture
async def container(opened: Runtime, handler: str) -> Container:
    """A container that counts as long as it runs."""
    pod = await opened.create_pod(handler=handler)
    container = await running(pod, TICKING)
    assert await moves(opened, container)
    return container


def count(runtime: Runtime, container: Container) -> str:
    """Read from outside: nothing can be executed in a frozen container."""
    file = runtime.engine.paths.rootfs(container.id) / "tick"
    return file.read_text() if file.exists() else ""


async def moves(runtime: Runtime, container: Container, limit: float = 5.0) -> bool:
    """Whether it counts on, within `limit` seconds."""
    before = count(runtime, container)
    end = asyncio.get_running_loop().time() + limit
    while asyncio.get_running_loop().time() < end:
        if count(runtime, container) not in ("", before):
            return True
        await asyncio.sleep(0.005)
    return False


def frozen(runtime: Runtime, container: Container) -> bool:
    engine = runtime.engine
    return engine.cgroups.frozen(engine.objects.container(container.id).cgroups_path)


async def test_a_paused_container_stops_continues_and_stays_in_state_running(
    opened: Runtime, container: Container
) -> None:
    paused = asyncio.create_task(container.wait_until("paused"))
    await asyncio.sleep(0)
    await container.pause()

    await asyncio.wait_for(paused, 5)
    assert frozen(opened, container)
    record = opened.engine.objects.container(container.id)
    assert (container.status, query.state_of(record)) == ("paused", api.CONTAINER_RUNNING)
    assert container.inspect()["State"]["Paused"]
    with pytest.raises(WrongState, match="is paused already"):
        await container.pause()
    with pytest.raises(WrongState, match="is paused: unpause it first"):
        await container.exec(["true"])
    with pytest.raises(WrongState, match="is paused: unpause it first"):
        async with container.open_exec(["sh"], stdin=True):
            pass
    assert {each.pid for each in await container.top()} >= {1}

    await container.unpause()

    assert await moves(opened, container)
    assert (await container.exec(["true"])).exit_code == 0
    with pytest.raises(WrongState, match="is not paused"):
        await container.unpause()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda c: c.stop(5), 7),
        (lambda c: c.stop(0), 137),
        (lambda c: c.kill(), 137),
        (lambda c: c.kill("TERM"), 7),
        (lambda c: c.pod.stop(), 7),
        (lambda c: c.remove(force=True), 137),
    ],
    ids=["stop", "stop at once", "kill", "term", "stop pod", "remove"],
)
async def test_every_way_to_end_a_paused_container_thaws_it(
    container: Container, end: Callable[[Container], Coroutine[Any, Any, None]], code: int
) -> None:
    waiting = asyncio.create_task(container.wait())
    await container.pause()
    await asyncio.wait_for(end(container), 10)
    assert await asyncio.wait_for(waiting, 10) == code


async def test_a_container_that_does_not_run_cannot_be_paused_or_unpaused(opened: Runtime) -> None:
    pod = await opened.create_pod()
    created = await pod.create_container("localhost/busybox:test", ["true"])
    for verb in (created.pause, created.unpause, created.kill):
        with pytest.raises(WrongState, match=r"not running|not paused"):
            await verb()


async def compared(runtime: Runtime) -> None:
    """Return when the background task has compared the record with the container."""
    async with asyncio.timeout(10):
        while runtime.engine.retries():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def paused(container: Container, verb: str) -> None:
    """Do `verb` ("pause", "unpause" or "kill") when it has something to do."""
    if verb != "pause":
        await container.pause()
    await getattr(container, verb)(*(["TERM"] if verb == "kill" else []))


STEPS = {
    "containers.pause.intend": "pause",
    "containers.pause.freeze": "pause",
    "containers.unpause.thaw": "unpause",
    "containers.unpause.commit": "unpause",
    "containers.kill.send": "kill",
    "containers.thaw.write": "kill",
}


@pytest.mark.parametrize(("point", "verb"), STEPS.items())
async def test_a_failed_step_leaves_a_true_record_and_can_be_repeated(
    opened: Runtime,
    container: Container,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    verb: str,
) -> None:
    plan = tmp_path / "plan"
    plan.write_text(f"{point} fail\n")
    monkeypatch.setattr(faults, "_plan", str(plan))
    with pytest.raises(InjectedFault, match=point):
        await paused(container, verb)
    plan.unlink()

    if verb == "pause":
        assert container.status == "running"
        assert await moves(opened, container)
        await container.pause()
    await asyncio.wait_for(getattr(container, "kill" if verb == "kill" else "unpause")(), 10)
    if verb == "kill":
        assert await asyncio.wait_for(container.wait(), 10) in (7, 137)
    else:
        assert await moves(opened, container)


PROGRAM = """
import asyncio, sys
from pathlib import Path
from tests.fixtures.library import Place
from tests.integration.runtime.conftest import load_busybox, running
from tests.integration.runtime.test_runtime_pause import TICKING, moves, paused

async def main(directory, handler, verb):
    here = Place(Path(directory))
    async with here.runtime(("network.bridge", sys.argv[4]), ("network.subnet", sys.argv[5])) as it:
        await load_busybox(it, here)
        pod = await it.create_pod(handler=handler)
        container = await running(pod, TICKING)
        assert await moves(it, container)  # from then on it heeds signals
        await paused(container, verb)

asyncio.run(main(*sys.argv[1:4]))
"""


@pytest.mark.parametrize(("point", "verb"), STEPS.items())
async def test_a_process_that_dies_at_a_step_leaves_a_true_record(
    here: Place, tmp_path: Path, handler: str, point: str, verb: str
) -> None:
    plan = tmp_path / "plan"
    plan.write_text(f"{point} kill\n")
    words = [str(here.directory), handler, verb, here.bridge, here.subnet]
    died = await child.run(
        [sys.executable, "-c", PROGRAM, *words],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CRI_SHIM_FAULTS": str(plan)},
        cwd=str(Path(__file__).parents[3]),
        timeout=60,
    )
    assert died.returncode == -9, died.complaint()

    async with here.runtime() as runtime:
        (container,) = runtime.containers()
        await compared(runtime)
        stands = frozen(runtime, container)
        assert (container.status == "paused") == stands
        assert stands == (verb != "pause" and point != "containers.unpause.commit")
        if stands:
            await container.unpause()
        if verb == "kill" and point == "containers.thaw.write":
            assert (
                await asyncio.wait_for(container.wait(), 10) == 7
            )  # the signal was waiting for the thaw
        else:
            assert (await container.exec(["true"])).exit_code == 0
        await container.pod.remove(force=True)


async def test_a_container_stays_paused_over_a_restart(here: Place, handler: str) -> None:
    async with here.runtime() as first:
        await load_busybox(first, here)
        container = await running(await first.create_pod(handler=handler), TICKING)
        await container.pause()
    async with here.runtime() as second:
        container = second.container(container.id)
        await compared(second)
        assert container.status == "paused"
        assert frozen(second, container)
        await container.unpause()
        assert await moves(second, container)
        await container.pod.remove(force=True)


async def test_a_container_that_cannot_be_frozen_continues(
    opened: Runtime, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pause, "FREEZE_S", 0.01)
    monkeypatch.setattr(opened.engine.cgroups, "frozen", lambda _path: False)
    with pytest.raises(TimedOut, match="did not freeze within"):
        await container.pause()
    assert container.status == "running"
    assert await moves(opened, container)


async def test_a_container_thawed_by_another_program_is_no_longer_paused(
    opened: Runtime, container: Container
) -> None:
    engine = opened.engine
    await container.pause()
    await engine.oci.runtime.resume(
        engine.oci.handler(engine.objects.container(container.id).handler), container.id
    )
    await container.unpause()
    assert container.status == "running"


async def test_a_container_frozen_by_another_program_can_be_stopped(
    opened: Runtime, container: Container
) -> None:
    engine = opened.engine
    await engine.oci.runtime.pause(
        engine.oci.handler(engine.objects.container(container.id).handler), container.id
    )
    while not frozen(opened, container):  # noqa: ASYNC110  (crun does not wait)
        await asyncio.sleep(0.002)
    await asyncio.wait_for(container.stop(0), 10)
    assert container.exit_code == 137


async def test_the_end_of_a_paused_containers_record_says_that_it_is_not_paused(
    opened: Runtime, container: Container
) -> None:
    await container.pause()
    record = opened.engine.objects.container(container.id)
    await container.kill()
    await asyncio.wait_for(container.wait(), 10)
    assert not process.alive(record.init.pid, record.init.start_time)
    assert not opened.engine.objects.container(container.id).paused
