"""The program: `child BLOB TARGET RECIPE WORD...` unpacks, and prints results as a line of JSON.

TARGET is an empty directory, or with the word "erofs" a new file that becomes a file system. The
program writes the file RECIPE, from which the layer's tar can be made again. Size and inodes are
those of both on the disk, not the numbers of the archive. With "erofs" the digests of both files
are there, too; if the layer needs what EROFS does not have, the only result is "unsuited", the
reason, and both files are of no use. More words: "userns" says that the process is root of a user
namespace only; "growing", that the blob is still being downloaded.

Exit status 0, 1 with the reason on stderr, or NO_SPACE_EXIT.
"""

import errno
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

from cri_shim.linux import disk
from cri_shim.linux.disk import Usage
from cri_shim.store.erofs import image
from cri_shim.store.erofs.blocks import Blocks
from cri_shim.store.erofs.files import Files, Unsuited
from cri_shim.store.unpack import confine
from cri_shim.store.unpack.extract import Extractor, Ids
from cri_shim.store.unpack.failure import NO_SPACE_EXIT, BadLayer
from cri_shim.store.unpack.growing import GrowingFile
from cri_shim.store.unpack.recipe import Writer
from cri_shim.store.unpack.stream import LayerStream

_ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18")


def main(blob: str, target: str, recipe: str, *words: str) -> None:
    """Unpack and exit."""
    as_erofs = "erofs" in words
    ids = ids_of_space() if "userns" in words else None
    with Path(recipe).open("x+b") as written:
        try:
            file = _open(blob, growing="growing" in words)
            import_for(file.read(4))
            file.seek(0)
            if as_erofs:
                facts = _to_file_system(file, target, written)
            else:
                facts = _to_directory(file, target, written, ids)
        except BadLayer as e:
            fail(1, str(e))
        except Unsuited as e:
            facts = {"unsuited": str(e)}
        except MemoryError:
            needed = f"more than {confine.MEMORY_LIMIT >> 20} MiB of memory would be needed"
            if not as_erofs:
                fail(1, needed)
            facts = {"unsuited": needed}
        except OSError as e:
            fail_for(e)
    succeed(facts)


def _open(blob: str, *, growing: bool) -> BinaryIO:
    if growing:
        return cast(BinaryIO, GrowingFile(blob))
    return Path(blob).open("rb")


def _to_directory(blob: BinaryIO, target: str, recipe: BinaryIO, ids: Ids | None) -> dict[str, Any]:
    confine.confine(target)
    facts = _extract(blob, recipe, Extractor("", ids))
    taken = disk.usage("/") + _taken(recipe)
    return {**facts, "size": taken.used_bytes, "inodes": taken.inodes}


def _to_file_system(blob: BinaryIO, target: str, recipe: BinaryIO) -> dict[str, Any]:
    with Path(target).open("xb", buffering=0) as file:
        confine.confine(_no_directory(f"{target}.root"), capabilities=0)
        blocks = Blocks(file.fileno())
        files = Files(blocks)
        facts = _extract(blob, recipe, Extractor("", files=files))
        uuid = bytes.fromhex(facts["diff_id"].removeprefix("sha256:"))[:16]
        facts["digest"] = image.finish(files.root, blocks, uuid)
        recipe.seek(0)
        facts["recipe_digest"] = hashlib.sha256(recipe.read()).hexdigest()
        taken = _taken(file) + _taken(recipe)
        return {**facts, "size": taken.used_bytes, "inodes": taken.inodes}


def _no_directory(path: str) -> str:
    """Go to a new directory, remove it, and return a path of it: no file can be made there."""
    Path(path).mkdir(mode=0o700)
    os.chdir(path)
    Path(path).rmdir()
    return "."


def _extract(blob: BinaryIO, recipe: BinaryIO, extractor: Extractor) -> dict[str, Any]:
    stream = LayerStream(blob, Writer(recipe))
    extractor.extract(stream)
    diff_id = stream.finish()
    return {"diff_id": diff_id, "tar_size": stream.tell(), "implied": extractor.implied()}


def _taken(file: BinaryIO) -> Usage:
    return Usage(disk.allocated(os.fstat(file.fileno())), 1)


def ids_of_space() -> Ids:
    return Ids(_mapped("uid_map"), _mapped("gid_map"))


def _mapped(file: str) -> int:
    """Return how many ids this user namespace has; the mappings have no gaps."""
    lines = Path("/proc/self", file).read_text().splitlines()
    return sum(int(line.split()[2]) for line in lines)


def import_for(head: bytes) -> None:
    """Import the decompressor now: after the chroot no import is possible."""
    if head in _ZSTD_MAGICS or head[1:] in _ZSTD_MAGICS:
        import zstandard  # noqa: F401


def succeed(facts: dict[str, Any]) -> NoReturn:
    print(json.dumps(facts))
    sys.stdout.flush()
    os._exit(0)  # skip the interpreter's tear-down: no work is left


def fail_for(error: OSError) -> NoReturn:
    no_space = error.errno in (errno.ENOSPC, errno.EDQUOT)
    fail(NO_SPACE_EXIT if no_space else 1, str(error))


def fail(status: int, reason: str) -> NoReturn:
    sys.stderr.write(reason.encode(errors="backslashreplace").decode() + "\n")
    sys.stderr.flush()
    os._exit(status)
