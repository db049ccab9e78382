"""The program: `child BLOB FILE RECIPE` writes a layer as an EROFS file system to FILE.

It is the twin of unpack/child.py, with the same results, and the digests of FILE and RECIPE. If the
layer needs what EROFS does not have, the only result is "unsuited", the reason, and both files are
of no use. Exit status as of the twin.

It keeps no capability, and its root is a directory that is removed already.
"""

import errno
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from cri_shim.linux import disk
from cri_shim.store.erofs import image
from cri_shim.store.erofs.blocks import Blocks
from cri_shim.store.erofs.files import Files, Unsuited
from cri_shim.store.unpack import confine
from cri_shim.store.unpack.child import _fail, _import_for
from cri_shim.store.unpack.extract import Extractor
from cri_shim.store.unpack.failure import NO_SPACE_EXIT, BadLayer
from cri_shim.store.unpack.recipe import Writer
from cri_shim.store.unpack.stream import LayerStream

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def main(blob: str, target: str, recipe: str) -> None:
    """Unpack and exit."""
    with (
        Path(blob).open("rb") as file,
        Path(target).open("xb", buffering=0) as written,
        Path(recipe).open("x+b") as kept,
    ):
        _import_for(file.read(4))
        file.seek(0)
        try:
            confine.confine(_no_directory(f"{target}.root"), capabilities=0)
            facts = _unpack(file, written.fileno(), kept)
            kept.seek(0)
            facts["recipe_digest"] = hashlib.file_digest(kept, "sha256").hexdigest()
        except BadLayer as e:
            _fail(1, str(e))
        except Unsuited as e:
            _exit({"unsuited": str(e)})
        except MemoryError:
            _exit({"unsuited": "its tree does not fit into the memory of a child process"})
        except OSError as e:
            _fail(NO_SPACE_EXIT if e.errno in _NO_SPACE else 1, str(e))
        both = [os.fstat(opened.fileno()) for opened in (written, kept)]
        _exit({**facts, "size": sum(map(disk.allocated, both)), "inodes": len(both)})


def _no_directory(path: str) -> str:
    """Go to a new directory, remove it, and return a path of it."""
    Path(path).mkdir(mode=0o700)
    os.chdir(path)
    Path(path).rmdir()
    return "."


def _unpack(blob: BinaryIO, target: int, recipe: BinaryIO) -> dict[str, Any]:
    blocks = Blocks(target)
    files = Files(blocks)
    stream = LayerStream(blob, Writer(recipe))
    extractor = Extractor("", files=files)
    extractor.extract(stream)
    return {
        "diff_id": stream.finish(),
        "tar_size": stream.tell(),
        "implied": extractor.implied(),
        "digest": image.finish(files.root, blocks),
    }


def _exit(facts: dict[str, Any]) -> NoReturn:
    print(json.dumps(facts))
    sys.stdout.flush()
    os._exit(0)  # skip the interpreter's tear-down: no work is left
