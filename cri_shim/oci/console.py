"""The socket on which an OCI runtime sends the master of a terminal that it made."""

import array
import fcntl
import os
import socket
import struct
import termios
from pathlib import Path

from cri_shim.errors import ToolFailed

_NAME_ROOM = 256  # bytes; the runtime sends the slave's name with the descriptor


class Console:
    """Listens in `directory` under `name`; `with` closes and removes the socket.

    The path of a unix socket must be short, and directories may be long. So the path uses a
    descriptor of the directory in the daemon's own /proc entry, which the runtime may follow.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._file = directory / name
        self._directory = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.path = f"/proc/{os.getpid()}/fd/{self._directory}/{name}"
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.setblocking(False)

    def __enter__(self) -> "Console":
        try:
            self._socket.bind(self.path)
            self._socket.listen(1)
        except OSError as e:
            self.close()
            raise ToolFailed(f"cannot listen for a terminal on {self._file}: {e.strerror}") from e
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()
        self._file.unlink(missing_ok=True)
        os.close(self._directory)

    def receive(self) -> int:
        """Return the master, after the runtime succeeded and so has sent it; else ToolFailed."""
        try:
            connection, _ = self._socket.accept()
            with connection:
                connection.setblocking(False)
                room = socket.CMSG_SPACE(array.array("i", [0]).itemsize)
                _, ancillary, _, _ = connection.recvmsg(_NAME_ROOM, room, socket.MSG_CMSG_CLOEXEC)
        except OSError as e:
            raise ToolFailed(f"the OCI runtime handed over no terminal: {e.strerror}") from e
        fds = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        if not fds:
            raise ToolFailed("the OCI runtime handed over no terminal, only words")
        return fds[0]


def resize(fd: int, width: int, height: int) -> None:
    """Set the size of a terminal, in characters; its programs get SIGWINCH."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
