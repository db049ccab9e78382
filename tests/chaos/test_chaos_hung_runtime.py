"""An OCI runtime hangs in each verb: only the calls that need it wait for it."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from cri_shim.errors import CriShimError
from cri_shim.oci import process_tree
from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.daemon import Daemon

pytestmark = pytest.mark.waits

PODS, EACH = 6, 20  # pods of containers that do not use it
HANGING = """#!/bin/sh
# A crun that stops itself before the verb that a file names.
read verb < {file}
case " $* " in *" $verb "*) kill -STOP $$;; esac
exec /usr/bin/crun "$@"
"""


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}, with_hanging_runtime) as started:
        yield started


def with_hanging_runtime(daemon: Daemon) -> None:
    script = daemon.directory / "hanging"
    order(daemon, "nothing")
    script.write_text(HANGING.format(file=daemon.directory / "verb"))
    script.chmod(0o755)
    daemon.settings["runtimes.hanging.path"] = [str(script)]


def order(daemon: Daemon, verb: str) -> None:
    (daemon.directory / "verb").write_text(verb + "\n")


def stopped(daemon: Daemon) -> list[int]:
    """Return the processes of the hanging runtime that have stopped themselves."""
    mark = bytes(daemon.run_root / "oci-bin" / "hanging")
    held = [entry.pid for entry in process_tree.table().values() if entry.state == "T"]
    return [pid for pid in held if mark in Path(f"/proc/{pid}/cmdline").read_bytes()]


def go_on(daemon: Daemon) -> None:
    order(daemon, "nothing")
    for pid in stopped(daemon):
        os.kill(pid, signal.SIGCONT)


@pytest.fixture(autouse=True)
def nothing_stays_stopped(daemon: Daemon) -> Iterator[None]:
    yield
    go_on(daemon)


async def others(cri: Cri) -> list[str]:
    pods = await asyncio.gather(*(cri.run_pod() for _ in range(PODS)))
    return await asyncio.gather(
        *(cri.create(pod, container_config(["true"], f"c{n}")) for pod in pods for n in range(EACH))
    )


async def every_answer(cri: Cri) -> set[str]:
    """Make all calls that a kubelet repeats; return the ids in the list of containers."""
    runtime = cri.runtime
    await runtime.Status(api.StatusRequest(verbose=True))
    await runtime.ListPodSandbox(api.ListPodSandboxRequest())
    await runtime.ListContainerStats(api.ListContainerStatsRequest())
    await runtime.ListPodSandboxStats(api.ListPodSandboxStatsRequest())
    await runtime.ListPodSandboxMetrics(api.ListPodSandboxMetricsRequest())
    for pod in await cri.pods():
        await cri.pod_status(pod)
    listed = await cri.containers()
    for container in listed:
        await cri.status(container)
    return set(listed)


async def test_lists_statuses_and_other_containers_are_served_while_a_runtime_hangs(
    rig: Rig,
) -> None:
    cri, daemon = rig.cri, rig.daemon
    unconcerned = await others(cri)
    pod = await cri.run_pod(handler="hanging")
    waiting = [await cri.create(pod, container_config(["true"], f"w{n}")) for n in range(2)]
    running = [await cri.run(pod, ["sleep", "600"], f"r{n}") for n in range(2)]
    stuck: list[tuple[str, Callable[[], Awaitable[object]]]] = [
        ("create", lambda: cri.start(waiting[0])),
        ("start", lambda: cri.start(waiting[1])),
        ("exec", lambda: cri.exec(running[0], "true", timeout=60)),
        ("delete", lambda: cri.remove(running[1])),
    ]
    calls: list[asyncio.Future[object]] = []
    for verb, call in stuck:
        order(daemon, verb)
        calls.append(asyncio.ensure_future(call()))
        await rig.until(lambda: len(stopped(daemon)) == len(calls))
    order(daemon, "nothing")

    listed = await every_answer(cri)
    new = await cri.run(await cri.run_pod(), ["sleep", "600"])
    said = await cri.sh(new, "echo served")
    await cri.stop(new)
    await cri.remove(new)
    hung = [not call.done() for call in calls]
    go_on(daemon)
    await asyncio.gather(*calls)

    assert hung == [True] * len(stuck)
    assert listed == {*unconcerned, *waiting, *running}
    assert said == "served\n"
    for container in waiting:
        assert (await cri.exited(container)).exit_code == 0


async def test_a_daemon_serves_although_the_runtime_hangs_on_interrupted_starts(rig: Rig) -> None:
    pod = await rig.cri.run_pod(handler="hanging")
    other = await rig.cri.run(pod, ["sleep", "600"], "other")
    starting = await rig.cri.create(pod, container_config(["sh", "-c", "exit 3"]))
    order(rig.daemon, "start")
    call = asyncio.ensure_future(rig.cri.start(starting))
    await rig.until(lambda: len(stopped(rig.daemon)) == 1)
    order(rig.daemon, "state")
    await rig.restart()
    await asyncio.gather(call, return_exceptions=True)
    assert (await rig.cri.status(other)).state == api.CONTAINER_RUNNING
    assert (await rig.cri.status(starting)).state == api.CONTAINER_CREATED
    assert len(stopped(rig.daemon)) == 2
    go_on(rig.daemon)
    assert (await rig.cri.exited(starting)).exit_code == 3


ENDS = ("stop", "remove", "stop_pod")


@pytest.mark.parametrize("verb", ["create", "start"])
async def test_ending_a_container_does_not_wait_for_its_hanging_start(rig: Rig, verb: str) -> None:
    pods = [await rig.cri.run_pod(handler="hanging") for _ in ENDS]
    containers = [await rig.cri.create(pod, container_config(["sleep", "600"])) for pod in pods]
    order(rig.daemon, verb)
    starts = [asyncio.ensure_future(rig.cri.start(container)) for container in containers]
    await rig.until(lambda: len(stopped(rig.daemon)) == len(ENDS))
    order(rig.daemon, "nothing")
    async with asyncio.timeout(30):  # the limit of the OCI runtime itself is 60 s
        await asyncio.gather(
            rig.cri.stop(containers[0]),
            rig.cri.remove(containers[1]),
            rig.cri.stop_pod(pods[2]),
        )
    refusals = await asyncio.gather(*starts, return_exceptions=True)
    assert [isinstance(refusal, CriShimError) for refusal in refusals] == [True] * len(ENDS)
    reason = {"create": "StartError", "start": "Error"}[verb]  # there was a process already
    for container in (containers[0], containers[2]):
        status = await rig.cri.status(container)
        assert (status.state, status.reason) == (api.CONTAINER_EXITED, reason)
    assert containers[1] not in await rig.cri.containers()
