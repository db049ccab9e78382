"""The socket of a dead program is removed; anything else is kept."""

import socket
from pathlib import Path

import pytest

from cri_shim.errors import StateError
from cri_shim.linux.stale_socket import remove_stale


def test_the_socket_of_a_dead_program_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    remove_stale(path, "[server] socket")

    assert not path.exists()


def test_no_socket_is_no_error(tmp_path: Path) -> None:
    remove_stale(tmp_path / "s", "[server] socket")


def test_the_socket_of_a_living_program_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        with pytest.raises(StateError, match=r"another program serves.*another \[server\] socket"):
            remove_stale(path, "[server] socket")

    assert path.is_socket()


def test_a_living_program_with_a_full_queue_is_alive(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as living, socket.socket(socket.AF_UNIX) as waiting:
        living.bind(str(path))
        living.listen(0)
        waiting.connect(str(path))
        with pytest.raises(StateError, match="another program serves"):
            remove_stale(path, "[server] socket")

    assert path.is_socket()


def test_a_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.touch()
    with pytest.raises(StateError, match="is not a socket"):
        remove_stale(path, "[server] socket")

    assert path.exists()
