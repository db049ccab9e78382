"""The settings of pulls are replaced as one value, and keep what the running daemon has."""

from pathlib import Path

from cri_shim.pb.state_pb2 import ImageRecord
from cri_shim.state.memory import MemoryStore
from cri_shim.store.archives.skopeo import Skopeo
from cri_shim.store.fetching.fetcher import Fetcher
from cri_shim.store.image_store import ImageStore
from cri_shim.store.pins import Pins
from cri_shim.store.settings import ImageSettings
from cri_shim.store.trust.policies import Policies


def test_a_store_uses_the_settings_that_it_follows(tmp_path: Path) -> None:
    skopeo = Skopeo(architecture="amd64")
    store = ImageStore(tmp_path, tmp_path, MemoryStore(), boot_id="b", skopeo=skopeo)
    assert (store.search, store.transport, store.skopeo) == ((), "docker://", skopeo)
    other = ImageSettings(
        skopeo, store.fetcher, ("r.example",), Pins(["busybox:1"]), Policies(), "dir:"
    )
    store.follow(lambda: other)
    assert (store.search, store.transport, store.pins) == (("r.example",), "dir:", other.pins)


def test_new_pins_keep_the_images_that_were_loaded_at_the_start() -> None:
    old, new = Pins(["busybox:1"]), Pins()
    old.add(["a" * 64])
    new.share(old)
    old.add(["b" * 64])
    assert all(new.has(ImageRecord(id=letter * 64)) for letter in "ab")
    assert not new.has(ImageRecord(id="c" * 64, repo_tags=["docker.io/library/busybox:1"]))


def test_a_changed_fetcher_has_the_worker_that_waits_in_common() -> None:
    old = Fetcher(architecture="amd64", patience=5, layers_at_once=2)
    new = old.changed(registries_conf=Path("/etc/r.conf"), patience=7, layers_at_once=1)
    assert (old._patience, new._patience, new._registries_conf) == (5, 7, Path("/etc/r.conf"))
    assert new._standby is old._standby
