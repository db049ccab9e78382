"""critest streaming.go and streaming_linux.go, over SPDY and WebSocket."""

import socket
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.integration.sessions.conftest import (
    Forward,
    Open,
    attach,
    exec,
    forward,
    talkers,
    transport,
)

__all__ = ["attach", "exec", "forward", "talkers", "transport"]


async def run(cri: Cri, handler: str, command: list[str], **fields: Any) -> str:
    """A container in a pod without options, whose containers share pids."""
    pod = await cri.run_pod(pod_config(cri.daemon, linux=api.LinuxPodSandboxConfig()), handler)
    config = container_config(command, linux=api.LinuxContainerConfig(), **fields)
    container = await cri.create(pod, config)
    await cri.start(container)
    return container


async def test_runtime_should_support_exec_with_tty_false_and_stdin_false(
    cri: Cri, handler: str, exec: Open
) -> None:
    talker = await exec(await run(cri, handler, ["top"]), "echo", "-n", "hello")

    assert (await talker.status())["status"] == "Success"
    assert (talker.text("stdout"), talker.text("stderr")) == (b"hello", b"")


async def test_runtime_should_support_exec_with_tty_true_and_stdin_true(
    cri: Cri, handler: str, exec: Open
) -> None:
    container = await run(cri, handler, ["top"])
    talker = await exec(container, "echo", "-n", "hello", stdin=True, tty=True)

    # The session ends although the client has not ended its input.
    assert (await talker.status())["status"] == "Success"
    assert talker.text("stdout") == b"hello"


async def test_runtime_should_support_attach(cri: Cri, handler: str, attach: Open) -> None:
    container = await run(cri, handler, ["/bin/sh"], stdin=True, stdin_once=True)
    talker = await attach(container, stdin=True)

    await talker.send(b"echo -n hello\n")
    await talker.until(b"hello")
    await talker.end_input()

    assert (await talker.status())["status"] == "Success"
    assert (talker.text("stdout"), talker.text("stderr")) == (b"hello", b"")
    assert (await cri.exited(container)).exit_code == 0


SERVE = "echo word >/tmp/word && exec httpd -f -p {} -h /tmp"


@pytest.mark.parametrize("network", [api.POD, api.NODE])
async def test_runtime_should_support_portforward_also_in_host_network(
    cri: Cri, handler: str, forward: Forward, network: api.NamespaceMode.ValueType
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = pod_config(cri.daemon, port_mappings=[api.PortMapping(container_port=80)])
    config.hostname = ""
    config.linux.security_context.namespace_options.network = network
    pod = await cri.run_pod(config, handler)
    container = container_config(["sh", "-c", SERVE.format(port)])
    container.linux.security_context.namespace_options.network = network
    created = await cri.create(pod, container)
    await cri.start(created)
    await cri.sh(created, f"until wget -q -O - http://127.0.0.1:{port}/word; do :; done")

    session = await forward(pod)
    _, data = await session.connect(port)
    await session.wire.send(data, b"GET /word HTTP/1.0\r\n\r\n")
    await session.until(data, b"\r\n\r\nword\n")

    assert b" 200 " in session.wire.received[data]
