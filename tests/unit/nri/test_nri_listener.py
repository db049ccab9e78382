"""The socket of plugins: only for root, made anew, removed at the end."""

import socket
import stat
from pathlib import Path

import pytest

from cri_shim.errors import Unavailable
from cri_shim.nri.joining import Limits
from cri_shim.nri.listener import Listener
from cri_shim.nri.plugins import Plugins
from cri_shim.pb import nri_pb2 as pb
from tests.fixtures.nri_plugin import FakePlugin


def plugins() -> Plugins:
    async def update(plugin: str, request: pb.UpdateContainersRequest) -> list[pb.ContainerUpdate]:
        return []

    async def known() -> tuple[list[pb.PodSandbox], list[pb.Container]]:
        return [], []

    return Plugins(Limits(registration=30, request=30), update, known)


async def test_a_plugin_connects_and_the_socket_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "nri.sock"
    tmp_path.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as left:  # by a daemon that was killed
        left.bind(str(path))
    connected = plugins()
    listener = Listener(path, connected)
    listener.open()
    fake = FakePlugin()
    async with fake.connected(path):
        modes = [stat.S_IMODE(place.stat().st_mode) for place in (tmp_path, path)]
        await listener.close()
        await connected.close()

    assert modes == [0o755, 0o600]
    assert not path.exists()
    assert fake.methods == ["Configure", "Synchronize", "Shutdown"]


async def test_a_socket_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(Unavailable, match=r"the NRI socket .*/file/nri.sock cannot be made"):
        Listener(tmp_path / "file" / "nri.sock", plugins()).open()


async def test_a_missing_directory_is_made_only_for_root(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "made" / "nri.sock", plugins())
    listener.open()
    await listener.close()

    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o700


async def test_a_file_at_the_place_of_the_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "nri.sock"
    path.write_text("precious")

    with pytest.raises(Unavailable, match="cannot be made: what is there is not a socket"):
        Listener(path, plugins()).open()
    assert path.read_text() == "precious"


async def test_the_socket_of_another_runtime_stays(tmp_path: Path) -> None:
    path = tmp_path / "nri.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(Unavailable, match=r"another program listens there; set nri\.socket"):
            Listener(path, plugins()).open()
    assert path.is_socket()


async def test_a_runtime_that_accepts_nothing_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "nri.sock"
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as waiting:
        other.bind(str(path))
        other.listen(0)
        waiting.connect(str(path))  # the queue is full now
        with pytest.raises(Unavailable, match="another program listens there"):
            Listener(path, plugins()).open()
    assert path.is_socket()


async def test_a_listener_that_was_not_opened_can_be_closed(tmp_path: Path) -> None:
    await Listener(tmp_path / "nri.sock", plugins()).close()
