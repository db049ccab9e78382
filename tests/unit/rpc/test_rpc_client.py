"""The client's own error texts: no daemon, no answer in time."""

import asyncio
import socket
from pathlib import Path

import grpc.aio
import pytest

from cri_shim import errors
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2
from cri_shim.rpc import boundary
from cri_shim.rpc.client import Client


async def test_a_missing_socket_is_a_sentence_with_its_path_and_a_remedy(
    tmp_path: Path,
) -> None:
    path = tmp_path / "none.sock"
    async with Client(path, timeout=10) as client:
        with pytest.raises(errors.Unavailable) as caught:
            await client.runtime.Version(api.VersionRequest())
    assert str(caught.value) == (
        f"no daemon answers on {path} (No such file or directory): "
        "start it with `cri-shim serve`, or name another socket with --socket"
    )


async def test_the_error_of_a_dead_daemons_socket_is_connection_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with Client(path, timeout=10) as client:
        with pytest.raises(errors.Unavailable, match=r"dead\.sock \(Connection refused\)"):
            await client.control.Info(control_pb2.InfoRequest())


async def test_a_daemon_that_does_not_answer_in_time_gives_a_sentence(tmp_path: Path) -> None:
    class Silent:
        async def Version(self, request: api.VersionRequest) -> api.VersionResponse:
            await asyncio.Event().wait()
            return api.VersionResponse()

    path = tmp_path / "s"
    server = grpc.aio.server()
    boundary.add(server, api.DESCRIPTOR.services_by_name["RuntimeService"], Silent())
    server.add_insecure_port(f"unix://{path}")
    await server.start()
    async with Client(path, timeout=0.05) as client:
        with pytest.raises(errors.TimedOut, match=rf"^Version: no answer from {path} within 0.05"):
            await client.runtime.Version(api.VersionRequest())
    await server.stop(10)  # returns when the call is over on this side, too


async def test_the_control_service_is_served_by_the_same_boundary(tmp_path: Path) -> None:
    class Control:
        async def Info(self, request: control_pb2.InfoRequest) -> control_pb2.InfoResponse:
            return control_pb2.InfoResponse(json="{}")

    path = tmp_path / "s"
    server = grpc.aio.server()
    boundary.add(server, control_pb2.DESCRIPTOR.services_by_name["Control"], Control())
    server.add_insecure_port(f"unix://{path}")
    await server.start()
    async with Client(path, timeout=10) as client:
        assert (await client.control.Info(control_pb2.InfoRequest())).json == "{}"
    await server.stop(10)  # returns when the call is over on this side, too
