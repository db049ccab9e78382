"""The metrics of a real daemon: what pods, containers and calls leave in them."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.daemon import Daemon, Setting, private_daemon

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("metrics") / "m.sock"


@pytest.fixture(scope="module")
def daemon(address: Path) -> Iterator[Daemon]:
    settings: dict[str, Setting] = {"metrics.address": f"unix://{address}"}
    with private_daemon(0, **settings) as started:
        yield started


async def page(address: Path) -> str:
    reader, writer = await asyncio.open_unix_connection(str(address))
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200 OK")
    return body.decode()


async def samples(address: Path) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(await page(address))
        for sample in family.samples
    }


def value(of: Samples, name: str, **labels: str) -> float:
    return of.get((f"cri_shim_{name}", frozenset(labels.items())), 0)


async def test_the_start_of_a_pod_is_counted_with_its_stages(cri: Cri, address: Path) -> None:
    before = await samples(address)
    await cri.load_busybox()
    pod = await cri.run_pod()
    container = await cri.create(pod, container_config(["sleep", "1000"]))
    await cri.runtime.StartContainer(api.StartContainerRequest(container_id=container))
    after = await samples(address)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert more("rpc_duration_seconds_count", verb="RunPodSandbox", code="OK") == 1
    assert more("operation_duration_seconds_count", verb="RunPodSandbox", outcome="ok") == 1
    for stage in ("namespaces", "sync", "network"):
        assert more("stage_duration_seconds_count", verb="RunPodSandbox", stage=stage) == 1
    assert more("cni_duration_seconds_count", plugin="bridge", verb="ADD", outcome="ok") == 1
    for verb in ("create", "start"):
        assert more("oci_duration_seconds_count", runtime="crun", verb=verb, outcome="ok") == 1
    assert more("pods", phase="ready") == 1
    assert more("containers", phase="running") == 1


async def test_ends_of_containers_are_counted_by_their_reason(cri: Cri, address: Path) -> None:
    await cri.load_busybox()
    before = await samples(address)
    pod = await cri.run_pod()
    for command in (["true"], ["false"]):
        config = container_config(command, name=command[0])
        container = await cri.create(pod, config)
        await cri.runtime.StartContainer(api.StartContainerRequest(container_id=container))

    async def exits(reason: str) -> float:
        after = await samples(address)
        name = "container_exits_total"
        return value(after, name, reason=reason) - value(before, name, reason=reason)

    async def both() -> bool:
        return await exits("Completed") == 1 and await exits("Error") == 1

    while not await both():  # noqa: ASYNC110 - the exits are noticed a moment later
        await asyncio.sleep(0.01)


async def test_a_kill_at_the_limit_of_a_container_is_counted_at_its_level(
    cri: Cri, address: Path
) -> None:
    await cri.load_busybox()
    before = await samples(address)
    pod = await cri.run_pod()
    config = container_config(["sh", "-c", "dd if=/dev/zero of=/dev/null bs=60M"])
    config.linux.resources.memory_limit_in_bytes = 20 << 20
    config.linux.resources.memory_swap_limit_in_bytes = 20 << 20
    container = await cri.create(pod, config)
    await cri.runtime.StartContainer(api.StartContainerRequest(container_id=container))
    status = await cri.exited(container)
    after = await samples(address)

    assert status.reason == "OOMKilled"
    levels = ("container", "pod", "node", "unknown")
    assert [
        value(after, "oom_kills_total", level=level) - value(before, "oom_kills_total", level=level)
        for level in levels
    ] == [1, 0, 0, 0]


async def test_a_failed_call_is_counted_by_its_code(cri: Cri, address: Path) -> None:
    with pytest.raises(Exception, match="no pod"):
        await cri.runtime.PodSandboxStatus(api.PodSandboxStatusRequest(pod_sandbox_id="none"))
    after = await samples(address)

    name, labels = "rpc_duration_seconds_count", {"verb": "PodSandboxStatus", "code": "NOT_FOUND"}
    assert value(after, name, **labels) == 1
    assert value(after, "rpc_in_flight", verb="PodSandboxStatus") == 0


async def test_a_follower_of_events_is_seen(cri: Cri, address: Path) -> None:
    stream = cri.runtime.GetContainerEvents(api.GetEventsRequest())
    following = asyncio.ensure_future(anext(aiter(stream)))

    async def subscribers() -> float:
        return value(await samples(address), "event_subscribers")

    while await subscribers() != 1:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_promtool_finds_no_mistake_in_the_page(cri: Cri, address: Path) -> None:
    await cri.run_pod()
    text = await page(address)
    said = await asyncio.to_thread(_promtool, text)

    assert said == (0, "")


def _promtool(text: str) -> tuple[int, str]:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


async def test_a_call_waits_for_no_scraper(cri: Cri, address: Path) -> None:
    """Clients that say nothing, and many scrapes at once, leave the daemon responsive."""
    silent = [await asyncio.open_unix_connection(str(address)) for _ in range(30)]
    scrapes = [asyncio.create_task(page(address)) for _ in range(5)]
    async with Client(cri.daemon.socket) as client:
        for _ in range(20):
            await client.runtime.Version(api.VersionRequest(), timeout=10)
    await asyncio.gather(*scrapes, return_exceptions=True)
    for _, writer in silent:
        writer.close()

    assert "cri_shim_ready" in await page(address)


def test_the_modules_of_the_metrics_are_not_imported_by_the_daemon() -> None:
    code = (
        "import sys, cri_shim.runtime, cri_shim.rpc.server, cri_shim.assembly;"
        "print([m for m in sys.modules if 'prometheus' in m or 'cri_shim.metrics' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
