"""critest pod.go, pod_linux.go, networking.go and multi_container_linux.go."""

import asyncio
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config

SERVE = ["sh", "-c", "echo word >/tmp/index.html && exec httpd -f -p 80 -h /tmp"]
SLEEP = ["sleep", "1000"]


def plain_pod(cri: Cri, **fields: object) -> api.PodSandboxConfig:
    """As critest requests it: without namespace options."""
    fields.setdefault("linux", api.LinuxPodSandboxConfig())
    return pod_config(cri.daemon, **fields)  # type: ignore[arg-type]


async def run(cri: Cri, pod: str, command: list[str], name: str = "main") -> str:
    config = container_config(command, name, linux=api.LinuxContainerConfig())
    container = await cri.create(pod, config)
    await cri.start(container)
    return container


async def get(url: str) -> str:
    """Return the answer of a web server, which may need a while to start."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await asyncio.to_thread(_get, url)
            except urllib.error.URLError:
                await asyncio.sleep(0.02)


def _get(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=2) as answer:
        return str(answer.read().decode())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- pod.go, pod_linux.go -----------------------------------------------------------------------


async def test_runtime_should_support_running_stopping_and_removing_pod_sandbox(
    cri: Cri, handler: str
) -> None:
    pod = await cri.run_pod(plain_pod(cri), handler)
    assert (await cri.pod_status(pod)).state == api.SANDBOX_READY
    assert await cri.pods(id=pod) == [pod]

    await cri.stop_pod(pod)
    assert (await cri.pod_status(pod)).state == api.SANDBOX_NOTREADY

    await cri.remove_pod(pod)
    assert await cri.pods(id=pod) == []


async def test_runtime_should_support_preserving_pod_sandbox_attributes(cri: Cri) -> None:
    config = plain_pod(cri, labels={"foo": "bar"}, annotations={"abc": "def"})
    config.metadata.attempt = 2
    pod = await cri.run_pod(config)

    status = await cri.pod_status(pod)
    answer = await cri.runtime.ListPodSandbox(
        api.ListPodSandboxRequest(filter=api.PodSandboxFilter(id=pod))
    )

    (row,) = answer.items
    for told in (status, row):
        assert told.metadata == config.metadata
        assert dict(told.labels) == {"foo": "bar"}
        assert dict(told.annotations) == {"abc": "def"}


@pytest.mark.parametrize(
    ("name", "value"), [("kernel.shm_rmid_forced", "1"), ("fs.mqueue.msg_max", "100")]
)
async def test_should_support_safe_and_unsafe_sysctls(
    cri: Cri, handler: str, name: str, value: str
) -> None:
    pod = await cri.run_pod(
        plain_pod(cri, linux=api.LinuxPodSandboxConfig(sysctls={name: value})), handler
    )
    container = await run(cri, pod, SLEEP)

    told = await cri.sh(container, f"cat /proc/sys/{name.replace('.', '/')}")

    assert told == f"{value}\n"


# -- networking.go ------------------------------------------------------------------------------


async def test_runtime_should_support_dns_config(cri: Cri, handler: str) -> None:
    dns = api.DNSConfig(servers=["10.10.10.10"], searches=["google.com"], options=["ndots:8"])
    pod = await cri.run_pod(plain_pod(cri, dns_config=dns), handler)
    container = await run(cri, pod, SLEEP)

    lines = (await cri.sh(container, "cat /etc/resolv.conf")).splitlines()

    assert lines == ["nameserver 10.10.10.10", "search google.com", "options ndots:8"]


async def test_an_empty_dns_config_is_that_of_the_host(cri: Cri) -> None:
    pod = await cri.run_pod(plain_pod(cri, dns_config=api.DNSConfig()))
    container = await run(cri, pod, SLEEP)

    assert await cri.sh(container, "cat /etc/resolv.conf") == Path("/etc/resolv.conf").read_text()


async def test_runtime_should_support_set_hostname(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(plain_pod(cri, hostname="test-hostname"), handler)
    container = await run(cri, pod, SLEEP)

    assert await cri.sh(container, "hostname") == "test-hostname\n"


async def test_runtime_should_support_port_mapping_with_only_container_port(cri: Cri) -> None:
    pod = await cri.run_pod(plain_pod(cri, port_mappings=[api.PortMapping(container_port=80)]))
    await run(cri, pod, SERVE)

    ip = (await cri.pod_status(pod)).network.ip

    assert await get(f"http://{ip}/") == "word\n"


async def test_runtime_should_support_port_mapping_with_host_port_and_container_port(
    cri: Cri,
) -> None:
    port = free_port()
    mapping = api.PortMapping(host_port=port, container_port=80)
    pod = await cri.run_pod(plain_pod(cri, port_mappings=[mapping]))
    await run(cri, pod, SERVE)

    assert await get(f"http://127.0.0.1:{port}/") == "word\n"


# -- multi_container_linux.go -------------------------------------------------------------------


@asynccontextmanager
async def two_containers(cri: Cri, handler: str) -> AsyncIterator[tuple[str, str, str]]:
    pod = await cri.run_pod(plain_pod(cri), handler)
    serve = ["sh", "-c", "echo httpd is up; echo word >/tmp/index.html; httpd -f -p 80 -h /tmp"]
    web = await run(cri, pod, serve, "web")
    shell = await run(cri, pod, ["sh", "-c", "echo hello World; sleep 1000"], "shell")
    yield pod, web, shell


async def test_multiple_containers_should_support_network(cri: Cri, handler: str) -> None:
    async with two_containers(cri, handler) as (pod, _, shell):
        ip = (await cri.pod_status(pod)).network.ip
        assert await get(f"http://{ip}/") == "word\n"
        assert await cri.sh(shell, "wget -q -O - http://127.0.0.1/") == "word\n"


async def test_multiple_containers_should_support_container_log(cri: Cri, handler: str) -> None:
    async with two_containers(cri, handler) as (_, web, shell):
        for container, word in ((web, "httpd"), (shell, "hello World")):
            path = Path((await cri.status(container)).log_path)
            assert path.is_absolute()
            async with asyncio.timeout(10):
                while word not in path.read_text():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


async def test_multiple_containers_should_support_container_exec(cri: Cri, handler: str) -> None:
    async with two_containers(cri, handler) as (_, web, shell):
        assert await cri.sh(web, "echo -n hello") == "hello"
        assert await cri.sh(shell, "echo -n hello") == "hello"
