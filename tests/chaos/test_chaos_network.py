"""Plugins that are slow or fail, torn cache files, namespaces that another process holds."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from cri_shim.errors import CriShimError, TimedOut
from cri_shim.pb import api_pb2 as api
from tests.chaos import world
from tests.chaos.cni_spy import Spy
from tests.chaos.rig import Rig, mortal_daemon, spied
from tests.fixtures.cri import pod_config
from tests.fixtures.daemon import Daemon

PATIENCE_S = 0.3  # of a caller
ADDRESSES = 13  # for pods in a /28
FAILING, AT_ONCE = 40, 8  # more pods than addresses, but never all of them at the same time


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}, few_addresses) as started:
        yield started


def few_addresses(daemon: Daemon) -> None:
    daemon.subnet = daemon.subnet.replace("/24", "/28")
    spied(daemon)


@pytest.fixture
async def spy(rig: Rig) -> AsyncIterator[Spy]:
    spy = Spy(rig.daemon.directory / "plugins")
    yield spy
    for order in ("slow", "fail-add", "fail-del"):
        (spy.directory / order).unlink(missing_ok=True)


async def test_a_pod_whose_callers_timed_out_is_made_once_and_returned_later(
    rig: Rig, spy: Spy
) -> None:
    config = pod_config(rig.daemon)
    request = api.RunPodSandboxRequest(config=config)
    spy.tell("slow")
    for _ in range(5):
        with pytest.raises(TimedOut):
            await rig.cri.runtime.RunPodSandbox(request, timeout=PATIENCE_S)
    assert await rig.cri.pods() == []
    spy.untell("slow")
    pod = await rig.cri.run_pod(config)
    assert await rig.cri.pods() == [pod]
    assert spy.calls("ADD").count(pod) == 1
    config.metadata.attempt += 1
    assert len({pod, await rig.cri.run_pod(config)}) == 2


async def test_more_pods_than_addresses_fail_in_add_and_once_in_del_and_all_addresses_are_free(
    rig: Rig, spy: Spy
) -> None:
    before = await rig.snapshot()
    spy.tell("fail-add")
    spy.tell("fail-del")
    for _ in range(0, FAILING, AT_ONCE):
        results = await asyncio.gather(
            *(rig.cri.run_pod() for _ in range(AT_ONCE)), return_exceptions=True
        )
        assert [type(r) for r in results if not isinstance(r, CriShimError)] == []
        assert all("told to fail in ADD" in str(r) for r in results)
        await rig.becomes(before)
    assert len(list(spy.directory.glob("failed-*"))) == FAILING
    spy.untell("fail-add")
    spy.untell("fail-del")
    pods = await asyncio.gather(*(rig.cri.run_pod() for _ in range(ADDRESSES)))
    assert len({(await rig.cri.pod_status(pod)).network.ip for pod in pods}) == ADDRESSES


async def test_a_stop_keeps_the_network_namespace_until_every_plugin_has_left_it(
    rig: Rig, spy: Spy
) -> None:
    pod = await rig.cri.run_pod()
    pinned = world.netns(rig.daemon) / f"cri-shim-{pod}"
    spy.tell("fail-del")
    with pytest.raises(CriShimError, match="told to fail once in DEL"):
        await rig.cri.stop_pod(pod)
    await rig.no_retries()  # the daemon completes it without a new request
    assert spy.namespaces("DEL", pod) == [str(pinned)] * 2
    assert not pinned.exists()
    assert (await rig.cri.pod_status(pod)).state == api.SANDBOX_NOTREADY


@pytest.mark.parametrize("content", [b"", b'{"kind": "cniCa'])
async def test_a_pod_with_a_torn_cache_file_can_be_removed(rig: Rig, content: bytes) -> None:
    before = await rig.snapshot()
    pod = await rig.cri.run_pod()
    (cached,) = (rig.daemon.root / "cni" / "results").glob(f"*{pod}*")
    cached.write_bytes(content)
    await rig.cri.stop_pod(pod)
    await rig.cri.remove_pod(pod)
    await rig.becomes(before)


@contextmanager
def holding_every_mount() -> Iterator[None]:
    """Hold every present mount by a process with a mount namespace of its own."""
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo; exec sleep 600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            holder.stdout.readline()
            yield
        finally:
            holder.kill()


async def test_a_pod_whose_namespace_is_in_use_can_be_removed(rig: Rig) -> None:
    before = await rig.snapshot()
    pod = await rig.cri.run_pod()
    await rig.cri.run(pod, ["sleep", "600"])
    with holding_every_mount():
        await rig.cri.stop_pod(pod)
        await rig.cri.remove_pod(pod)
        await rig.becomes(before)
