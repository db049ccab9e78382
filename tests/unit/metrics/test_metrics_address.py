"""The address of the metrics: TCP of both families, and unix sockets."""

import socket
from pathlib import Path

from cri_shim.metrics.address import bound, released


def test_a_tcp_address_of_each_family() -> None:
    with bound("127.0.0.1:0") as four, bound("[::1]:0") as six:
        assert four.family is socket.AF_INET
        assert six.family is socket.AF_INET6
        with socket.create_connection(("::1", six.getsockname()[1])) as client:
            assert client.fileno() >= 0


def test_a_unix_socket_is_made_with_its_directory_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "m.sock"
    with bound(f"unix://{path}"):
        assert path.stat().st_mode & 0o777 == 0o660
    released(f"unix://{path}")

    assert not path.exists()
