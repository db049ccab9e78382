"""The runtime as a library: opened, used and closed in a process of its own."""

import asyncio
import sys
from pathlib import Path

import pytest

from cri_shim import Runtime
from cri_shim.aio import child
from cri_shim.errors import AlreadyExists, CriShimError, RuntimeStopped, StateError
from cri_shim.options import with_namespace, with_oci_runtime, with_state, with_storage
from cri_shim.pb import api_pb2 as api
from cri_shim.pods import remove as pod_remove
from cri_shim.pods import run as pod_run
from cri_shim.pods import stop as pod_stop
from tests.fixtures.library import Place


def request(name: str = "a") -> api.RunPodSandboxRequest:
    metadata = api.PodSandboxMetadata(name=name, namespace="tests", uid=name)
    return api.RunPodSandboxRequest(config=api.PodSandboxConfig(metadata=metadata))


@pytest.mark.parametrize("kind", ["leveldb", "memory"])
async def test_a_pod_runs_and_is_removed_without_a_daemon(here: Place, kind: str) -> None:
    async with here.runtime(("state", kind)) as runtime:
        id = await pod_run.run(runtime.engine, request())
        assert runtime.engine.objects.pod(id).network.ips
        await pod_stop.stop(runtime.engine, id)
        await pod_remove.remove(runtime.engine, id)
        assert runtime.engine.objects.pods() == []
    assert not (here.run_root / "cri-shim.sock").exists()


async def test_leveldb_remembers_a_pod_and_memory_keeps_no_file(here: Place) -> None:
    async with here.runtime() as first:
        id = await pod_run.run(first.engine, request())
    async with here.runtime() as second:
        assert [pod.id for pod in second.engine.objects.pods()] == [id]
        await pod_remove.remove(second.engine, id)
    with pytest.raises(StateError, match="holds the state of pods"):
        await here.runtime(with_state("memory")).__aenter__()


async def test_memory_leaves_no_state_on_the_disk(here: Place) -> None:
    async with here.runtime(with_state("memory")):
        pass
    assert not (here.root / "state").exists()


async def test_a_second_runtime_on_the_same_directories_is_refused(here: Place) -> None:
    async with here.runtime() as first:
        for other in (
            here.runtime(),
            here.runtime(with_storage(run_root=here.directory / "run2")),
            here.runtime(with_storage(root=here.directory / "root2")),
            here.runtime(with_storage(run_root=here.directory / "run2"), with_state("memory")),
        ):
            with pytest.raises(StateError, match="is in use by another cri-shim"):
                await other.__aenter__()
        assert not list(here.directory.glob("*2"))
        id = await pod_run.run(first.engine, request())  # the first is as well as before
        await pod_remove.remove(first.engine, id)
    async with here.runtime():
        pass


async def test_another_process_is_refused_too(here: Place) -> None:
    program = f"""
import asyncio
from cri_shim import Runtime, options
async def main():
    async with Runtime(options.with_storage({str(here.root)!r}, {str(here.run_root)!r})):
        pass
asyncio.run(main())
"""
    async with here.runtime():
        done = await child.run([sys.executable, "-c", program])  # the runtime reaps all others
    assert done.returncode == 1
    assert b"is in use by another cri-shim: speak to it through its socket" in done.stderr


async def test_a_runtime_can_only_be_opened_once(here: Place) -> None:
    runtime = here.runtime()
    opened = await asyncio.gather(
        runtime.__aenter__(), runtime.__aenter__(), return_exceptions=True
    )
    assert [type(each) for each in opened] == [Runtime, RuntimeStopped]
    assert runtime.engine.objects.pods() == []
    await runtime.shutdown()


async def test_two_runtimes_live_side_by_side_in_one_process(here: Place, tmp_path: Path) -> None:
    other = here.runtime(with_storage(tmp_path / "root", tmp_path / "run"))
    async with here.runtime() as one, other as two:
        id = await pod_run.run(one.engine, request())
        assert two.engine.objects.pods() == []
        await two.shutdown()
        await pod_remove.remove(one.engine, id)


async def test_after_the_end_every_call_is_an_error(here: Place) -> None:
    runtime = here.runtime()
    async with runtime:
        engine = runtime.engine
        await runtime.shutdown()
    for call in (runtime.serve, runtime.shutdown, runtime.__aenter__):
        with pytest.raises(RuntimeStopped):
            await call()
    with pytest.raises(RuntimeStopped):
        await runtime.info()
    with pytest.raises(RuntimeStopped):
        runtime.configure(with_namespace("late"))
    with pytest.raises(RuntimeStopped):
        _ = runtime.engine
    with pytest.raises(RuntimeStopped):
        await pod_run.run(engine, request())


async def test_options_can_be_set_until_the_runtime_is_opened(here: Place) -> None:
    runtime = here.runtime()
    runtime.configure(with_namespace("mine"), with_oci_runtime("/usr/bin/runc", name="special"))
    with pytest.raises(CriShimError):
        runtime.configure(("no.such.key", "1"))
    async with runtime:
        assert runtime.engine.objects.state_namespace == "mine"
        assert runtime.engine.oci.default_handler == "special"
        with pytest.raises(RuntimeStopped, match="takes no option"):
            runtime.configure(with_namespace("late"))


async def test_a_second_pod_of_the_same_name_is_an_error_of_the_library(here: Place) -> None:
    async with here.runtime() as runtime:
        id = await pod_run.run(runtime.engine, request())
        with pytest.raises(AlreadyExists):
            await pod_run.run(runtime.engine, request())
        await pod_remove.remove(runtime.engine, id)
