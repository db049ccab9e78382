"""The socket of a dead program is removed, anything else is kept; a new one has its mode."""

import os
import socket
import stat
from pathlib import Path

import pytest

from cri_shim.errors import StateError
from cri_shim.linux.unix_socket import bound, remove_stale


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


def test_a_bound_socket_has_its_mode_and_the_umask_is_set_back(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with bound(tmp_path / "s", 0o640):
            after = os.umask(0o022)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o640
    assert after == 0o022


def test_a_path_that_is_taken_cannot_be_bound(tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    with pytest.raises(OSError, match="Address already in use"):
        bound(tmp_path / "s", 0o600)
