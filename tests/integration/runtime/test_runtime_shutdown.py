"""shutdown: refused while containers run; forced, all end at once and nothing stays mounted."""

import asyncio
import time
from pathlib import Path

import pytest

from cri_shim import Runtime, shutdown
from cri_shim.aio import child
from cri_shim.containers import create as container_create
from cri_shim.containers import remove as container_remove
from cri_shim.containers import start as container_start
from cri_shim.engine import Engine
from cri_shim.errors import RuntimeStopped, TimedOut, ToolFailed, WrongState
from cri_shim.images import load as images
from cri_shim.linux import mounts, process
from cri_shim.oci.exits import Exits
from cri_shim.options import with_namespace
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import remove as pod_remove
from cri_shim.pods import run as pod_run
from cri_shim.pods import stop as pod_stop
from cri_shim.rpc.client import Client
from tests.fixtures import busybox
from tests.fixtures.library import Place
from tests.integration.runtime.test_runtime_library import request

STUBBORN = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]


async def load(engine: Engine, here: Place) -> None:
    archive = busybox.archive(here.directory / "busybox.tar")
    await images.load(engine, f"docker-archive:{archive}")


async def create(engine: Engine, name: str, command: list[str]) -> tuple[str, str]:
    """A pod with a container in it, not started; their ids."""
    wanted = request(name)
    pod = await pod_run.run(engine, wanted)
    container = api.ContainerConfig(
        metadata=api.ContainerMetadata(name="main"),
        image=api.ImageSpec(image=busybox.NAME),
        command=command,
    )
    asked = api.CreateContainerRequest(
        pod_sandbox_id=pod, config=container, sandbox_config=wanted.config
    )
    return pod, await container_create.create(engine, asked)


async def start(engine: Engine, name: str, command: list[str] = STUBBORN) -> tuple[str, str]:
    pod, container = await create(engine, name, command)
    await container_start.start(engine, container)
    return pod, container


async def remove_all(here: Place) -> None:
    async with here.runtime() as runtime:
        engine = runtime.engine
        assert {pod.phase for pod in engine.objects.pods()} <= {state.POD_NOTREADY}
        assert {c.phase for c in engine.objects.containers()} <= {state.CONTAINER_EXITED}
        for pod in engine.objects.pods():
            await pod_remove.remove(engine, pod.id)


async def test_a_shutdown_is_refused_while_a_container_runs(here: Place) -> None:
    async with here.runtime() as runtime:
        await load(runtime.engine, here)
        pod, container = await start(runtime.engine, "a")
        first = rf"the first is container tests/a/main \({container[:12]}\)"
        with pytest.raises(WrongState, match=f"1 containers are running, {first}"):
            await runtime.shutdown()
        record = runtime.engine.objects.container(container)
        assert process.alive(record.init.pid, record.init.start_time)
        await pod_remove.remove(runtime.engine, pod)
        await runtime.shutdown()
    assert here.mounts() == []


async def test_a_forced_shutdown_ends_all_containers_at_once_and_unmounts(here: Place) -> None:
    runtime = here.runtime()
    async with runtime:
        engine = runtime.engine
        await load(engine, here)
        started = await asyncio.gather(*(start(engine, name) for name in "abcd"))
        inits = [engine.objects.container(container).init for _, container in started]
        began = time.monotonic()
        await runtime.shutdown(force=True)
        took = time.monotonic() - began
    assert took < len(started) * pod_stop.GRACE_S  # one after the other they would take that
    assert not any(process.alive(init.pid, init.start_time) for init in inits)
    assert here.mounts() == []
    with pytest.raises(RuntimeStopped):
        _ = runtime.engine
    await remove_all(here)


async def rules() -> str:
    return (await child.run(["nft", "list", "ruleset"], timeout=20)).stdout.decode()


async def test_a_forced_shutdown_removes_the_bridge_and_the_masquerade_rule(here: Place) -> None:
    bridge = Path("/sys/class/net", here.bridge)
    async with here.runtime() as runtime:
        await load(runtime.engine, here)
        await start(runtime.engine, "a")
        assert bridge.exists()
        assert here.subnet in await rules()
        await runtime.shutdown(force=True)
    assert not bridge.exists()
    assert here.subnet not in await rules()
    await remove_all(here)


async def test_a_forced_shutdown_keeps_a_network_that_another_state_namespace_uses(
    here: Place,
) -> None:
    bridge = Path("/sys/class/net", here.bridge)
    async with here.runtime() as runtime:
        await load(runtime.engine, here)
        await start(runtime.engine, "a")
    async with here.runtime(with_namespace("other")) as other:
        await other.shutdown(force=True)
    assert bridge.exists()
    assert here.subnet in await rules()
    async with here.runtime() as runtime:
        await runtime.shutdown(force=True)
    assert not bridge.exists()
    await remove_all(here)


async def test_a_created_container_is_mounted_again_by_the_next_runtime(here: Place) -> None:
    async with here.runtime() as runtime:
        await load(runtime.engine, here)
        pod, container = await create(runtime.engine, "a", STUBBORN)
        rootfs = runtime.engine.paths.rootfs(container)
        await runtime.shutdown()
    assert not mounts.is_mounted(rootfs)
    async with here.runtime() as runtime:
        await container_start.start(runtime.engine, container)
        await pod_remove.remove(runtime.engine, pod)


async def test_a_stop_that_hangs_is_an_error_and_the_rest_ends(
    here: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with here.runtime() as runtime:
        engine = runtime.engine
        await load(engine, here)
        (slow, _), (bad, _), (good, ended) = [await start(engine, name) for name in "abc"]
        stop = pod_stop.stop

        async def odd(engine: Engine, id: str) -> None:
            if id == slow:
                await asyncio.Event().wait()
            await stop(engine, id)
            if id == bad:
                raise ToolFailed("CNI said no")

        monkeypatch.setattr(pod_stop, "stop", odd)
        monkeypatch.setattr(shutdown, "SETTLE_S", 0.5)
        with pytest.raises((TimedOut, ToolFailed)):
            await runtime.shutdown(force=True, timeout=5)
        assert engine.objects.container(ended).phase == state.CONTAINER_EXITED
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert f"({slow[:12]}) did not stop within 5 s" in said
    assert f"({bad[:12]}): CNI said no" in said
    assert good[:12] not in said.split("shutdown:", 1)[1]
    monkeypatch.undo()
    async with here.runtime() as after:
        await after.shutdown(force=True)
    await remove_all(here)


async def test_a_failed_close_is_raised_last_and_delays_nothing(
    here: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    close = Exits.close

    def fail(exits: Exits) -> None:
        close(exits)
        raise ToolFailed("it does not close")

    monkeypatch.setattr(Exits, "close", fail)
    async with here.runtime() as runtime:
        with pytest.raises(ToolFailed, match="it does not close"):
            await runtime.shutdown()
    assert "closing the watch of exits: it does not close" in caplog.text
    monkeypatch.undo()
    async with here.runtime():
        pass


async def test_a_serving_runtime_stops_serving_first(here: Place) -> None:
    async with here.runtime() as runtime:
        await load(runtime.engine, here)
        await start(runtime.engine, "a")
        ready = asyncio.Event()
        serving = asyncio.create_task(runtime.serve(ready.set))
        await ready.wait()
        async with Client(here.run_root / "cri-shim.sock") as client:
            await client.runtime.Version(api.VersionRequest())
        await asyncio.gather(runtime.shutdown(force=True), serving)
    assert not (here.run_root / "cri-shim.sock").exists()
    await remove_all(here)


async def test_leaving_the_block_waits_for_a_shutdown_under_way(here: Place) -> None:
    async def end(runtime: Runtime) -> None:
        await runtime.shutdown(force=True)

    async with here.runtime() as runtime:
        await load(runtime.engine, here)
        _, container = await start(runtime.engine, "a")
        engine = runtime.engine
        ending = asyncio.create_task(end(runtime))
        await asyncio.sleep(0)
    assert engine.objects.container(container).phase == state.CONTAINER_EXITED
    await ending
    await remove_all(here)


async def test_a_removed_container_does_not_prevent_a_shutdown(here: Place) -> None:
    async with here.runtime() as runtime:
        await load(runtime.engine, here)
        pod, container = await start(runtime.engine, "a")
        await container_remove.remove(runtime.engine, container)
        await runtime.shutdown()
    async with here.runtime() as runtime:
        await pod_remove.remove(runtime.engine, pod)
