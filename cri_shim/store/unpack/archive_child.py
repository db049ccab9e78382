"""The program: `archive_child BLOB TARGET NAME WORD...` unpacks an archive that is no layer.

TARGET is an empty directory, which becomes the root: nothing outside of it can be reached. Names in
the archive that begin with the path NAME lose it. The result is a line of JSON with the diff-id.
The word "userns" and the exit status are those of `child`.
"""

from pathlib import Path

from cri_shim.store.unpack import child, confine
from cri_shim.store.unpack.extract import Extractor
from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.stream import LayerStream


def main(blob: str, target: str, name: str, *words: str) -> None:
    """Unpack and exit."""
    ids = child.ids_of_space() if "userns" in words else None
    try:
        with Path(blob).open("rb") as file:
            child.import_for(file.read(4))
            file.seek(0)
            confine.confine(target)
            stream = LayerStream(file)
            Extractor("", ids, below=name).extract(stream)
            child.succeed({"diff_id": stream.finish()})
    except BadLayer as e:
        child.fail(1, str(e))
    except MemoryError:
        child.fail(1, f"more than {confine.MEMORY_LIMIT >> 20} MiB of memory would be needed")
    except OSError as e:
        child.fail_for(e)
