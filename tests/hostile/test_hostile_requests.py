"""Malformed bytes at the socket of the CRI: later calls are served."""

import asyncio

import grpc.aio
import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from tests.fixtures import http2
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon

LIMIT_S = 20.0
SERVICES = [
    *api.DESCRIPTOR.services_by_name.values(),
    *control.DESCRIPTOR.services_by_name.values(),
]
PATHS = [
    f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods
]
NO_MESSAGE = b"\xff" * 40
ENDS_A_SERVER = http2.BEGIN + http2.call(b"Ver\xffsion", bytes(5))


def fresh_log(daemon: Daemon, before: int) -> str:
    return daemon.log.read_bytes()[before:].decode()


async def version(cri: Cri) -> str:
    """Return when the socket is served."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                return str((await cri.runtime.Version(api.VersionRequest())).runtime_name)
            except Exception:
                await asyncio.sleep(0.05)


async def test_a_malformed_request_is_an_invalid_argument_for_every_rpc(
    daemon: Daemon,
) -> None:
    before = daemon.log.stat().st_size
    found = {}
    async with grpc.aio.insecure_channel(f"unix:{daemon.socket}") as channel:
        for path in PATHS:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await anext(aiter(channel.unary_stream(path, None, None)(NO_MESSAGE)))
            found[path] = caught.value.code().name, caught.value.details()
    assert {code for code, _ in found.values()} == {"INVALID_ARGUMENT"}
    assert all("its 40 bytes cannot be parsed" in str(said) for _, said in found.values())
    assert "Traceback" not in fresh_log(daemon, before)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"\0" * 10_000,
        http2.BEGIN + b"\xff" * 1000,
        http2.BEGIN + http2.call(b"Version", b""),
        http2.BEGIN + http2.call(b"Version", bytes(10)),
        http2.BEGIN + http2.call(b"Version", b"\1\0\0\0\3abc"),
        http2.BEGIN + http2.call(b"NoSuch", bytes(5)),
        http2.BEGIN + http2.frame(6, 0, 0, bytes(8)) * 1000,
        ENDS_A_SERVER,
        ENDS_A_SERVER,
    ],
    ids=[
        "HTTP 1",
        "NULs",
        "no frame",
        "no message",
        "two",
        "compressed",
        "none",
        "pings",
        "*",
        "**",
    ],
)
async def test_bytes_that_are_no_call_do_not_affect_the_next_call(
    cri: Cri, daemon: Daemon, sent: bytes
) -> None:
    before = daemon.log.stat().st_size
    await http2.say(daemon.socket, sent, 0.2)
    assert await version(cri) == "cri-shim"
    await cri.run(await cri.run_pod(), ["sleep", "1000"])
    assert "Traceback" not in fresh_log(daemon, before)
