"""The blobs that are kept, and for how long."""

from pathlib import Path

from cri_shim.store.blobs import Blobs
from cri_shim.store.manifest import digest_of


def test_what_a_running_pull_holds_is_not_discarded(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    blobs.recover()
    digests = [digest_of(data) for data in (b"held", b"named", b"other")]
    for data, digest in zip((b"held", b"named", b"other"), digests, strict=True):
        file = tmp_path / "came"
        file.write_bytes(data)
        blobs.take(file, digest)
    held, named, unused = digests

    with blobs.hold([held]), blobs.hold([held]):
        trash = blobs.discard_all_but([named])

        assert [path.read_bytes() for path in trash] == [b"other"]
        assert blobs.path(held).exists()
        assert not blobs.path(unused).exists()
        assert blobs.usage().inodes == 2

    assert [path.read_bytes() for path in blobs.discard_all_but([named])] == [b"held"]
    assert blobs.path(named).exists()
