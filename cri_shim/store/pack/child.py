"""The program that writes a tar of DIRECTORY, in one of four ways:

    child new DIRECTORY TAR IDS HIDDEN...   a layer of what was written through an overlay
    child again DIRECTORY TAR RECIPE        the original tar of an unpacked layer
    child whole DIRECTORY FD IDS            the tree as it is, to an inherited descriptor
    child part DIRECTORY FD IDS PATH        the same of one file or directory below it

IDS is FIRST:LENGTH of users, a comma and the same of groups, or empty. The program prints diff-id
and size of the tar as a line of JSON. Exit status 0, 1 with the reason on stderr, or NO_SPACE_EXIT.
"""

import errno
import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from cri_shim.store.pack import header
from cri_shim.store.pack.layer import Layer
from cri_shim.store.pack.tree import Tree
from cri_shim.store.unpack import confine, recipe
from cri_shim.store.unpack.failure import NO_SPACE_EXIT, BadLayer

_CHUNK = 1 << 20  # bytes
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def main(how: str, directory: str, target: str, *rest: str) -> None:
    """Pack and exit."""
    try:
        with _target(how, target) as tar:
            pieces = _PIECES[how](directory, *rest)
            hash, size = hashlib.sha256(), 0
            for piece in pieces:
                hash.update(piece)
                tar.write(piece)
                size += len(piece)
    except BadLayer as e:
        fail(1, str(e))
    except MemoryError:
        fail(1, f"more than {confine.MEMORY_LIMIT >> 20} MiB of memory would be needed")
    except (OSError, EOFError, ValueError) as e:
        no_space = isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT)
        fail(NO_SPACE_EXIT if no_space else 1, str(e))
    print(json.dumps({"diff_id": "sha256:" + hash.hexdigest(), "size": size}))
    sys.stdout.flush()
    os._exit(0)  # skip the interpreter's tear-down: no work is left


def _target(how: str, target: str) -> BinaryIO:
    return os.fdopen(int(target), "wb") if how in ("whole", "part") else Path(target).open("xb")


def _new(directory: str, ids: str, *hidden: str) -> Iterator[bytes]:
    paths = [os.fsencode(path) for path in hidden]
    confine.enter(directory)
    return _pieces(Layer(b"", _ranges(ids), paths))


def _whole(directory: str, ids: str) -> Iterator[bytes]:
    confine.enter(directory)
    return _pieces(Tree(b"", _ranges(ids)))


def _part_of(directory: str, ids: str, path: str) -> Iterator[bytes]:
    """The path is resolved after the chroot, where every symbolic link stays inside."""
    confine.enter(directory)
    real = os.path.realpath(os.fsencode(path), strict=True)
    parent, _, name = real.rpartition(b"/")
    return _pieces(Tree(parent, _ranges(ids), top=b"/" + name if name else b""))


def _ranges(ids: str) -> list[tuple[int, int]]:
    ranges = [range.split(":") for range in ids.split(",") if range]
    return [(int(first), int(length)) for first, length in ranges]


def _pieces(tree: Tree) -> Iterator[bytes]:
    for member, source in tree.members():
        if not source:
            yield header.encode(member)
            continue
        file = _opened(source)
        if file is None:
            continue
        with file:
            yield header.encode(member)
            yield from _content(file, member.size)
        yield bytes(-member.size % header.BLOCK)
    yield header.END


def _opened(path: bytes) -> BinaryIO | None:
    """Open a file of a member; None if it vanished meanwhile: a container may be running."""
    try:
        fd = os.open(path, _OPEN)
    except OSError:
        if _is_file(path):
            raise
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return os.fdopen(fd, "rb", 0)
    os.close(fd)
    return None


def _is_file(path: bytes) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _content(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield exactly `size` bytes, with zeros if the file has become shorter."""
    while size:
        piece = file.read(min(size, _CHUNK)) or bytes(min(size, _CHUNK))
        size -= len(piece)
        yield piece


def _again(directory: str, path: str) -> Iterator[bytes]:
    with Path(path).open("rb") as file:
        steps = recipe.read(file)
        next_step = next(steps, None)  # imports modules, which is impossible after the chroot
        confine.confine(directory)
        while next_step is not None:
            if isinstance(next_step, bytes):
                yield next_step
            else:
                yield from _part(*next_step)
            next_step = next(steps, None)


def _part(path: str, offset: int, length: int) -> Iterator[bytes]:
    with os.fdopen(os.open(path, _OPEN), "rb", buffering=0) as file:
        file.seek(offset)
        while length:
            piece = file.read(min(length, _CHUNK))
            if not piece:
                raise EOFError(f"{path} is shorter than it was")
            length -= len(piece)
            yield piece


_PIECES: dict[str, Callable[..., Iterator[bytes]]] = {
    "new": _new, "again": _again, "whole": _whole, "part": _part_of,
}  # fmt: skip


def fail(status: int, reason: str) -> None:
    sys.stderr.write(reason.encode(errors="backslashreplace").decode() + "\n")
    sys.stderr.flush()
    os._exit(status)
