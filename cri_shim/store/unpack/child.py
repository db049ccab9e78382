"""The program: `child BLOB DIRECTORY RECIPE` unpacks, and prints the results as a line of JSON.

The program writes the file RECIPE, from which the layer's tar can be made again. Size and inodes
are those of both on the disk, not the numbers of the archive. More words: "userns" says that the
process is root of a user namespace only; "growing", that the blob is still being downloaded.

Exit status 0, 1 with the reason on stderr, or NO_SPACE_EXIT.
"""

import errno
import json
import os
import sys
from pathlib import Path
from typing import BinaryIO, cast

from cri_shim.linux import disk
from cri_shim.store.unpack import confine
from cri_shim.store.unpack.extract import Extractor, Ids
from cri_shim.store.unpack.failure import NO_SPACE_EXIT, BadLayer
from cri_shim.store.unpack.growing import GrowingFile
from cri_shim.store.unpack.recipe import Writer
from cri_shim.store.unpack.stream import LayerStream

_ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18")


def main(blob: str, directory: str, recipe: str, *words: str) -> None:
    """Unpack and exit."""
    ids = Ids(_mapped("uid_map"), _mapped("gid_map")) if "userns" in words else None
    with Path(recipe).open("xb") as written:
        try:
            file = _open(blob, growing="growing" in words)
            _import_for(file.read(4))
            file.seek(0)
            confine.confine(directory)
            stream = LayerStream(file, Writer(written))
            extractor = Extractor("", ids)
            extractor.extract(stream)
            diff_id, tar_size = stream.finish(), stream.tell()
            taken = disk.usage("/")
        except BadLayer as e:
            _fail(1, str(e))
        except MemoryError:
            _fail(1, f"more than {confine.MEMORY_LIMIT >> 20} MiB of memory would be needed")
        except OSError as e:
            no_space = e.errno in (errno.ENOSPC, errno.EDQUOT)
            _fail(NO_SPACE_EXIT if no_space else 1, str(e))
        size = taken.used_bytes + disk.allocated(os.fstat(written.fileno()))
        facts = {"diff_id": diff_id, "size": size, "inodes": taken.inodes + 1}
    print(json.dumps({**facts, "tar_size": tar_size, "implied": extractor.implied()}))
    sys.stdout.flush()
    os._exit(0)  # skip the interpreter's tear-down: no work is left


def _open(blob: str, *, growing: bool) -> BinaryIO:
    if growing:
        return cast(BinaryIO, GrowingFile(blob))
    return Path(blob).open("rb")


def _mapped(file: str) -> int:
    """Return how many ids this user namespace has; our mappings have no gaps."""
    lines = Path("/proc/self", file).read_text().splitlines()
    return sum(int(line.split()[2]) for line in lines)


def _import_for(head: bytes) -> None:
    """Import the decompressor now: after the chroot no import is possible."""
    if head in _ZSTD_MAGICS or head[1:] in _ZSTD_MAGICS:
        import zstandard  # noqa: F401


def _fail(status: int, reason: str) -> None:
    sys.stderr.write(reason.encode(errors="backslashreplace").decode() + "\n")
    sys.stderr.flush()
    os._exit(status)
