"""A runtime that cannot be opened leaves nothing: no file, lock, mount, task or descriptor."""

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from cri_shim import assembly, recovery
from cri_shim.aio import reaper
from cri_shim.assembly import drivers, node, opening, probing, settings
from cri_shim.errors import RuntimeStopped, ToolFailed, WrongState
from cri_shim.linux import process
from cri_shim.network.network import Network
from cri_shim.objects import ObjectStore
from cri_shim.oci.runtime import OciRuntime
from cri_shim.store.image_store import ImageStore
from tests.fixtures.library import Place
from tests.sentry.leaks import Scope, snapshot

# The steps of open_engine, recovery and the marker, in the order of a start.
STEPS: dict[str, tuple[object, str]] = {
    "hooks": (settings, "_hooks"),
    "subreaper": (process, "become_subreaper"),
    "reaper": (reaper, "start"),
    "cgroups": (node, "Cgroups"),
    "state": (drivers, "LevelStore"),
    "records": (ObjectStore, "load"),
    "image store": (drivers, "image_store"),
    "images": (ImageStore, "recover"),
    "network": (drivers, "network"),
    "network start": (Network, "start"),
    "handlers": (probing, "probe"),
    "leftovers": (OciRuntime, "end_leftovers"),
    "exits": (opening, "Exits"),
    "conmon": (drivers, "conmon"),
    "host": (node, "host"),
    "seccomp": (settings, "SeccompProfiles"),
    "recovery": (recovery, "recover"),
    "marker": (assembly, "mark_alive"),
}


def failing(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    return fail


@pytest.fixture(params=STEPS)
def step(request: pytest.FixtureRequest) -> tuple[object, str]:
    return STEPS[request.param]


@pytest.mark.parametrize(
    "error", [ToolFailed("it failed"), OSError(28, "no space"), asyncio.CancelledError()]
)
async def test_a_start_that_fails_anywhere_leaves_nothing(
    here: Place,
    step: tuple[object, str],
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = here.runtime()
    scope = Scope(str(here.directory), machine=True, whole=False)
    before, tasks = snapshot(scope), asyncio.all_tasks()
    monkeypatch.setattr(*step, failing(error))

    with pytest.raises(type(error)) as raised:
        await runtime.__aenter__()

    assert raised.value is error
    assert snapshot(scope) - before == {}
    assert asyncio.all_tasks() == tasks
    assert [entry.name for entry in here.directory.iterdir()] == ["config.toml"]
    with pytest.raises(RuntimeStopped):
        _ = runtime.engine
    with pytest.raises(RuntimeStopped):
        await runtime.__aenter__()


async def test_a_failed_start_keeps_the_files_of_earlier_runs(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with here.runtime() as first:
        identity = first.engine.objects.identity()
    mounted = here.mounts()
    with monkeypatch.context() as patched:
        patched.setattr(recovery, "recover", failing(ToolFailed("it failed")))
        with pytest.raises(ToolFailed):
            await here.runtime().__aenter__()

    assert here.mounts() == mounted
    async with here.runtime() as second:
        assert second.engine.objects.identity() == identity


async def test_a_start_that_is_cancelled_while_it_waits_leaves_nothing(here: Place) -> None:
    started = asyncio.Event()

    async def slow(*_: object) -> None:
        started.set()
        await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(recovery, "recover", slow)
        opening = asyncio.create_task(here.runtime().__aenter__())
        await started.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    assert [entry.name for entry in here.directory.iterdir()] == ["config.toml"]
    assert here.mounts() == []


async def test_only_the_main_thread_can_open_a_runtime(here: Place) -> None:
    async def open_one() -> None:
        async with here.runtime():
            pass

    with pytest.raises(WrongState, match="main thread"):
        await asyncio.to_thread(asyncio.run, open_one())

    assert [entry.name for entry in here.directory.iterdir()] == ["config.toml"]
