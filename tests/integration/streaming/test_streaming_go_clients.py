"""kubectl's own clients with the daemon: exec, attach and port-forward over both transports."""

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from cri_shim.linux import nsenter
from cri_shim.pb import api_pb2 as api
from tests.clients.program import GoClients
from tests.fixtures.cri import Cri
from tests.fixtures.host import processes, until

ExecURL = Callable[..., Awaitable[str]]
ZEROS = 50_000_000


@pytest.fixture(params=["spdy", "websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def pod(cri: Cri) -> str:
    return await cri.run_pod()


@pytest.fixture
async def container(cri: Cri, pod: str) -> str:
    return await cri.run(pod, ["sleep", "1000"])


@pytest.fixture
async def exec_url(cri: Cri, container: str) -> ExecURL:
    async def ask(*command: str, stdin: bool = False, tty: bool = False) -> str:
        request = api.ExecRequest(
            container_id=container, cmd=command, stdin=stdin, stdout=True, stderr=not tty, tty=tty
        )
        return str((await cri.runtime.Exec(request)).url)

    return ask


async def attach_url(cri: Cri, container: str, *, stdin: bool = False, tty: bool = False) -> str:
    request = api.AttachRequest(
        container_id=container, stdin=stdin, stdout=True, stderr=not tty, tty=tty
    )
    return str((await cri.runtime.Attach(request)).url)


async def forward_url(cri: Cri, pod: str) -> str:
    return str((await cri.runtime.PortForward(api.PortForwardRequest(pod_sandbox_id=pod))).url)


@pytest.fixture
async def echo_port(cri: Cri, pod: str) -> AsyncIterator[int]:
    """A port of the pod that sends back what comes."""
    netns = Path((await cri.pod_info(pod))["netns"])
    listener = nsenter.in_netns(netns, lambda: socket.create_server(("127.0.0.1", 0)))
    server = await asyncio.start_server(send_back, sock=listener, backlog=100)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def send_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer), contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


async def echo(port: int, data: bytes) -> bytes:
    """Send data and its end to a forwarded port; what comes back until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def feed() -> None:
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    async with asyncio.TaskGroup() as group:
        group.create_task(feed())
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_exec_returns_output_and_exit_code(
    go_clients: GoClients, exec_url: ExecURL, transport: str
):
    url = await exec_url("sh", "-c", "echo out; echo err >&2; exit 42")
    ended = await go_clients.run("exec", url, transport=transport)

    assert (ended.stdout.head, ended.stderr.head, ended.exit_code) == ("out\n", "err\n", 42)


async def test_exec_reads_input_to_its_end(
    go_clients: GoClients, exec_url: ExecURL, transport: str
):
    data = bytes(range(256)) * 20_000

    url = await exec_url("cat", stdin=True)
    ended = await go_clients.run("exec", url, "-stdin", transport=transport, stdin=data)

    assert (ended.exit_code, ended.error) == (0, "")
    assert ended.stdout.sha256 == hashlib.sha256(data).hexdigest()


async def test_exec_sends_large_output_complete_to_a_slow_reader(
    go_clients: GoClients, exec_url: ExecURL, transport: str
):
    url = await exec_url("sh", "-c", f"head -c {ZEROS} /dev/zero; exit 3")
    ended = await go_clients.run("exec", url, "-stdout-pause", "300ms", transport=transport)

    assert ended.exit_code == 3
    assert ended.stdout.bytes == ZEROS
    assert ended.stdout.sha256 == hashlib.sha256(bytes(ZEROS)).hexdigest()


async def test_exec_on_a_terminal_is_resized(
    go_clients: GoClients, exec_url: ExecURL, transport: str
):
    script = "echo up; until busybox stty size | grep '30 90'; do :; done"
    url = await exec_url("sh", "-c", script, stdin=True, tty=True)
    options = ("-stdin", "-tty", "-resize", "80x24,90x30", "-resize-every", "50ms")
    async with go_clients.start("exec", url, *options, transport=transport) as running:
        assert b"up" in await running.read_until(b"30 90\r\n")
        ended = await running.ended()

    assert (ended.exit_code, ended.stderr.bytes) == (0, 0)


async def test_exec_exchanges_data_while_it_runs(
    go_clients: GoClients, exec_url: ExecURL, transport: str
):
    url = await exec_url("sh", stdin=True)
    async with go_clients.start("exec", url, "-stdin", transport=transport) as running:
        running.write(b"echo one\n")
        assert await running.read_until(b"\n") == b"one\n"
        running.write(b"echo two; exit 9\n")
        assert await running.read_until(b"\n") == b"two\n"
        assert (await running.ended()).exit_code == 9


async def test_exec_of_a_missing_command_is_an_error(
    go_clients: GoClients, exec_url: ExecURL, transport: str
):
    ended = await go_clients.run("exec", await exec_url("no-such-thing"), transport=transport)

    assert ended.exit_code != 0
    assert "no-such-thing" in ended.error


async def test_a_command_ends_when_its_client_is_gone(
    go_clients: GoClients, exec_url: ExecURL, transport: str
):
    url = await exec_url("sleep", "7771")
    ended = await go_clients.run("exec", url, "-timeout", "1s", transport=transport)

    assert "deadline" in ended.error
    await until(lambda: not processes("sleep", "7771"))


async def test_a_url_serves_once(go_clients: GoClients, exec_url: ExecURL, transport: str):
    url = await exec_url("echo", "hi")
    first = await go_clients.run("exec", url, transport=transport)
    second = await go_clients.run("exec", url, transport=transport)

    assert (first.stdout.head, first.error) == ("hi\n", "")
    assert (second.stdout.bytes, second.exit_code) == (0, -1)
    assert second.error != ""


async def test_the_fallback_client_needs_no_second_try(go_clients: GoClients, exec_url: ExecURL):
    ended = await go_clients.run("exec", await exec_url("echo", "hi"), transport="fallback")

    assert (ended.stdout.head, ended.error) == ("hi\n", "")


@pytest.mark.parametrize("protocol", [f"v{n}.channel.k8s.io" for n in (2, 3, 4)])
async def test_exec_supports_the_older_protocols(
    go_clients: GoClients, exec_url: ExecURL, protocol: str
):
    url = await exec_url("sh", "-c", "echo out; exit 5")
    ended = await go_clients.run("exec", url, "-protocols", protocol)

    assert ended.stdout.head == "out\n"
    assert "exit status 5" in ended.error or ended.exit_code == 5


async def test_attach_sends_output_until_the_container_ends(
    go_clients: GoClients, cri: Cri, pod: str, transport: str
):
    script = "read word; echo got $word; echo err >&2; exit 3"
    container = await cri.run(pod, ["sh", "-c", script], "reader", stdin=True, stdin_once=True)
    ended = await go_clients.run(
        "attach",
        await attach_url(cri, container, stdin=True),
        "-stdin",
        transport=transport,
        stdin=b"this\n",
    )

    assert (ended.exit_code, ended.error) == (0, "")
    assert (ended.stdout.head, ended.stderr.head) == ("got this\n", "err\n")


async def test_several_clients_attach_to_one_terminal(
    go_clients: GoClients, cri: Cri, pod: str, transport: str
):
    container = await cri.run(pod, ["sh"], "shell", stdin=True, tty=True)
    urls = [await attach_url(cri, container, stdin=True, tty=True) for _ in range(2)]
    options = ("-stdin", "-tty")
    async with (
        go_clients.start("attach", urls[0], *options, transport=transport) as first,
        go_clients.start("attach", urls[1], *options, transport=transport) as second,
    ):
        first.write(b"echo on$((1+1))e\n")
        await first.read_until(b"on2e\r\n")
        second.write(b"echo tw$((1+1))o; exit\n")
        await asyncio.gather(first.read_until(b"tw2o\r\n"), second.read_until(b"tw2o\r\n"))
        ends = await asyncio.gather(first.ended(), second.ended())

    assert [ended.error for ended in ends] == ["", ""]


async def test_connections_are_forwarded(
    go_clients: GoClients, cri: Cri, pod: str, echo_port: int, transport: str
):
    url = await forward_url(cri, pod)
    async with go_clients.forward(url, echo_port, transport=transport) as forwarding:
        port = forwarding.ports[echo_port]
        answers = await asyncio.gather(*(echo(port, b"x" * 1000 * n) for n in range(1, 40)))

    assert answers == [b"x" * 1000 * n for n in range(1, 40)]
    assert (forwarding.error, forwarding.log) == ("", "")


async def test_large_data_is_forwarded_complete(
    go_clients: GoClients, cri: Cri, pod: str, echo_port: int, transport: str
):
    data = bytes(range(256)) * 80_000

    url = await forward_url(cri, pod)
    async with go_clients.forward(url, echo_port, transport=transport) as forwarding:
        assert await echo(forwarding.ports[echo_port], data) == data


async def test_a_connection_that_is_reset_does_not_end_the_others(
    go_clients: GoClients, cri: Cri, pod: str, echo_port: int, transport: str
):
    url = await forward_url(cri, pod)
    async with go_clients.forward(url, echo_port, transport=transport) as forwarding:
        port = forwarding.ports[echo_port]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"begun")
        assert await reader.readexactly(5) == b"begun"
        writer.transport.abort()
        assert await echo(port, b"still there") == b"still there"

    assert forwarding.error == ""


async def test_a_port_without_a_listener_is_an_error(
    go_clients: GoClients, cri: Cri, pod: str, transport: str
):
    url = await forward_url(cri, pod)
    async with go_clients.forward(url, 4444, transport=transport) as forwarding:
        assert await echo(forwarding.ports[4444], b"x") == b""
        await forwarding.lost()

    assert "lost connection to pod" in forwarding.error
