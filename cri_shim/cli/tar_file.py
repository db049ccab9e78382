"""The file of a tar that a command writes: a new one, or standard output."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cri_shim.cli.exit_codes import UsageError


@contextmanager
def written(path: str) -> Iterator[BinaryIO]:
    """Yield the file; it exists only after success. "" and "-" are standard output."""
    if path in ("", "-"):
        if sys.stdout.isatty():
            raise UsageError("a tar is not for a terminal: use -o FILE, or a pipe")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    draft = target.with_name(f".{target.name}.part")
    try:
        with draft.open("xb") as file:
            yield file
        draft.rename(target)
    finally:
        draft.unlink(missing_ok=True)
