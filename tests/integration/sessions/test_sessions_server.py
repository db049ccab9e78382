"""The streaming server as a whole: tickets, bad clients, TLS, shutdown and restart."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cri_shim.errors import CriShimError
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.host import processes, until
from tests.fixtures.streams import Spdy, Talker, Tunnel, WebSocket, dial, request
from tests.fixtures.tls import make_certificate

UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: SPDY/3.1",
    "X-Stream-Protocol-Version: v4.channel.k8s.io",
)


async def exec_url(cri: Cri, container: str, *command: str) -> str:
    asked = api.ExecRequest(container_id=container, cmd=command, stdout=True, stderr=True)
    return str((await cri.runtime.Exec(asked)).url)


async def status_of(url: str, *headers: str, method: str = "POST") -> str:
    sock = await dial(url)
    head, _ = await request(sock, url, method, *headers)
    sock.close()
    return head.split(" ")[1]


async def test_the_server_listens_on_the_loopback_address_and_a_free_port(cri, container):
    parts = urlsplit(await exec_url(cri, container, "true"))
    assert (parts.scheme, parts.hostname) == ("http", "127.0.0.1")
    assert parts.port is not None and parts.port > 1024
    assert parts.path.startswith("/exec/")


async def test_a_used_ticket_is_like_a_wrong_one(cri, container):
    url = await exec_url(cri, container, "true")
    assert await status_of(url, *UPGRADE) == "101"
    assert await status_of(url, *UPGRADE) == "404"
    assert await status_of(url + "x", *UPGRADE) == "404"
    assert await status_of(url.rsplit("/", 1)[0] + "/", *UPGRADE) == "404"


async def test_a_ticket_is_valid_only_for_its_purpose(cri, container):
    url = await exec_url(cri, container, "true")
    assert await status_of(url.replace("/exec/", "/attach/"), *UPGRADE) == "404"


async def test_a_request_that_is_no_upgrade_uses_the_ticket_up(cri, container):
    url = await exec_url(cri, container, "true")
    assert await status_of(url, method="GET") == "400"
    assert await status_of(url, *UPGRADE) == "404"


async def test_prefixes_of_ids_name_the_container(cri, container):
    talker = await Talker.open(
        "spdy", await exec_url(cri, container[:12], "echo", "hi"), "stdout", "stderr"
    )
    assert await talker.code() == 0
    talker.close()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (api.ExecRequest(container_id="absent", cmd=["true"], stdout=True), "no container"),
        (api.ExecRequest(cmd=["true"], stdout=True), "container_id"),
        (api.ExecRequest(container_id="x", cmd=["true"], tty=True, stderr=True), "stderr"),
        (api.ExecRequest(container_id="x", cmd=["true"]), "stdout"),
    ],
)
async def test_impossible_requests_are_refused_by_the_call(cri, asked, message):
    with pytest.raises(CriShimError, match=message):
        await cri.runtime.Exec(asked)


async def test_a_container_that_does_not_run_gets_no_url(cri, container):
    await cri.stop(container)
    for call, asked in (
        (cri.runtime.Exec, api.ExecRequest(container_id=container, cmd=["true"], stdout=True)),
        (cri.runtime.Attach, api.AttachRequest(container_id=container, stdout=True)),
    ):
        with pytest.raises(CriShimError, match="is not running"):
            await call(asked)


async def test_a_pod_that_is_stopped_gets_no_url(cri, pod):
    await cri.stop_pod(pod)
    with pytest.raises(CriShimError, match="is not ready"):
        await cri.runtime.PortForward(api.PortForwardRequest(pod_sandbox_id=pod))


async def test_bad_clients_do_not_disturb_a_session(cri, container):
    url = await exec_url(cri, container, "sh", "-c", "sleep 1; echo still well")
    session = await Talker.open("spdy", url, "stdout", "stderr")
    loop = asyncio.get_running_loop()
    socks = []
    for garbage in (b"\x00" * 5000, b"GET / HTTP/1.1\r\n" + b"X" * 50000, b"PUT", b"\x16\x03\x01"):
        for _ in range(20):
            socks.append(await dial(url))
            await loop.sock_sendall(socks[-1], garbage)
    broken = await Spdy.open(await exec_url(cri, container, "true"), "v4.channel.k8s.io")
    await loop.sock_sendall(broken.sock, b"\x80\x09" + b"\xff" * 5000)
    await broken.read_until(lambda: False)
    assert await session.code() == 0
    assert session.text("stdout") == b"still well\n"
    for sock in socks:
        sock.close()
    broken.close()
    session.close()


async def test_unexpected_streams_are_reset(cri, container):
    url = await exec_url(cri, container, "true")
    client = await Spdy.open(url, "v4.channel.k8s.io")
    assert await client.stream(streamtype="stdin") in client.resets
    assert await client.stream(streamtype="nonsense") in client.resets
    assert await client.stream(streamtype="error") not in client.resets
    client.close()


@pytest.fixture
def alone() -> Iterator[Daemon]:
    """A daemon of this test's own, to be stopped and killed."""
    with private_daemon(4) as daemon:
        yield daemon
        asyncio.run(remove_all(daemon))
        assert daemon.traces() == []


async def remove_all(daemon: Daemon) -> None:
    async with Client(daemon.socket) as client:
        await Cri(daemon, client).remove_all()


async def begin(daemon, *command: str) -> tuple[str, Talker]:
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        container = await cri.run(await cri.run_pod(), ["sleep", "1000"])
        url = await exec_url(cri, container, *command)
        return container, await Talker.open("spdy", url, "stdout", "stderr")


async def test_a_daemon_that_stops_notifies_its_clients_and_ends_their_commands(alone):
    _, talker = await begin(alone, "sleep", "6661")
    await until(lambda: processes("sleep", "6661"))
    stopping = asyncio.create_task(asyncio.to_thread(alone.stop))
    status = await talker.status()
    await stopping
    assert "is being stopped" in status["message"]
    assert not processes("sleep", "6661")
    talker.close()
    alone.start()


async def test_a_daemon_that_stops_ends_attached_and_forwarding_clients_cleanly(alone):
    async with Client(alone.socket) as client:
        cri = Cri(alone, client)
        pod = await cri.run_pod()
        container = await cri.run(pod, ["sleep", "1000"])
        attach = api.AttachRequest(container_id=container, stdout=True, stderr=True)
        attached = await Talker.open(
            "websocket", (await cri.runtime.Attach(attach)).url, "stdout", "stderr"
        )
        forward = api.PortForwardRequest(pod_sandbox_id=pod)
        url = (await cri.runtime.PortForward(forward)).url
        forwarding = await Tunnel.open_tunnel(url, "portforward.k8s.io")
    stopping = asyncio.create_task(asyncio.to_thread(alone.stop))
    status = await attached.status()
    await forwarding.read_until(lambda: False)
    await stopping
    assert "is being stopped" in status["message"]
    assert isinstance(attached.wire, WebSocket)
    assert (attached.wire.close_code, forwarding.close_code) == (1000, 1000)
    attached.close()
    forwarding.close()
    alone.start()
    async with Client(alone.socket) as client:
        assert (await Cri(alone, client).status(container)).state == api.CONTAINER_RUNNING


async def test_a_daemon_that_was_killed_leaves_no_command_after_its_restart(alone):
    _, talker = await begin(alone, "sh", "-c", "sleep 6671 & sleep 6672")
    await until(lambda: processes("sleep", "6672"))
    alone.kill()
    alone.start()
    await until(lambda: not processes("sleep", "6671") and not processes("sleep", "6672"))
    assert not list((alone.run_root / "exec").iterdir())
    talker.close()


async def presented(url: str) -> bytes:
    """The certificate that the server shows."""
    parts = urlsplit(url)
    pem = await asyncio.to_thread(
        ssl.get_server_certificate, (parts.hostname or "", parts.port or 0)
    )
    return pem.encode()


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that serves TLS with the files in `tmp_path`."""
    make_certificate(tmp_path, "first")
    files = {
        "streaming.tls_cert_file": str(tmp_path / "cert.pem"),
        "streaming.tls_key_file": str(tmp_path / "key.pem"),
    }
    with private_daemon(5, **files) as daemon:
        yield daemon
        asyncio.run(remove_all(daemon))


async def test_tls_is_served_and_a_changed_certificate_is_used(encrypted, tmp_path):
    async with Client(encrypted.socket) as client:
        cri = Cri(encrypted, client)
        container = await cri.run(await cri.run_pod(), ["sleep", "1000"])
        url = await exec_url(cri, container, "true")
        assert url.startswith("https://127.0.0.1:")
        first = await presented(url)
        make_certificate(tmp_path, "second")
        again = await exec_url(cri, container, "echo", "secret")
        assert await presented(again) != first
        assert await over_tls(again) == b"HTTP/1.1 101"


async def over_tls(url: str) -> bytes:
    """The beginning of the answer to an upgrade over TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
    head = [f"POST {parts.path} HTTP/1.1", "Host: h", *UPGRADE, "", ""]
    writer.write("\r\n".join(head).encode())
    answer = await reader.readexactly(12)
    writer.transport.abort()
    await asyncio.sleep(0)
    return answer
