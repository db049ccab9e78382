"""The program: `digest BLOB LIMIT` prints the diff-id of a layer blob as a line of JSON.

It unpacks no files. A blob of more than LIMIT uncompressed bytes fails, unless LIMIT is 0. Exit
status 0, or 1 with the reason on stderr.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from cri_shim.store.unpack import confine
from cri_shim.store.unpack.child import fail, import_for
from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.stream import decompress


def main(blob: str, limit: str) -> None:
    """Hash and exit."""
    most = int(limit)
    hash, size = hashlib.sha256(), 0
    with Path(blob).open("rb") as file:
        import_for(file.read(4))
        file.seek(0)
        try:
            confine.confine(os.fspath(Path(blob).parent))
            for chunk in decompress(file):
                hash.update(chunk)
                size += len(chunk)
                if most and size > most:
                    fail(1, f"it has more than {most} uncompressed bytes")
        except (BadLayer, OSError) as e:
            fail(1, str(e))
        except MemoryError:
            fail(1, f"more than {confine.MEMORY_LIMIT >> 20} MiB of memory would be needed")
    print(json.dumps({"diff_id": "sha256:" + hash.hexdigest()}))
    sys.stdout.flush()
    os._exit(0)  # skip the interpreter's tear-down: no work is left
