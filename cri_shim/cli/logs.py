"""Reading a container's log file while it grows.

The CRI log format: `TIME STREAM TAGS CONTENT`, a line each. The first tag is P where the content
goes on in the next line of the same stream, F where it ends with a line break.
"""

from pathlib import Path
from types import TracebackType
from typing import IO, Self


class LogReader:
    """Copies what each stream wrote to the stream of that name."""

    def __init__(self, path: Path, stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self._path = path
        self._to = {b"stdout": stdout, b"stderr": stderr}
        self._file: IO[bytes] | None = None
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def copy(self) -> None:
        """Copy all that has been written since the last time."""
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except FileNotFoundError:
                return
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in whole:
            self._copy_line(line)
        for stream in self._to.values():
            stream.flush()

    def _copy_line(self, line: bytes) -> None:
        _, stream, tags, content = ([*line.split(b" ", 3), b"", b"", b""])[:4]
        if stream in self._to:
            self._to[stream].write(content if tags[:1] == b"P" else content + b"\n")
