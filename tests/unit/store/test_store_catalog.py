"""Which images and layers there are."""

import pytest

from cri_shim.pb.state_pb2 import ImageRecord, LayerRecord
from cri_shim.state.memory import MemoryStore
from cri_shim.store.catalog import Catalog, KnownBlob

A, B = "a" * 64, "b" * 64


def image(
    id: str, *tags: str, layers: tuple[str, ...] = (), digests: tuple[str, ...] = ()
) -> ImageRecord:
    return ImageRecord(version=1, id=id, repo_tags=tags, repo_digests=digests, layers=layers)


@pytest.fixture
def state() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def catalog(state: MemoryStore) -> Catalog:
    return Catalog(state, "this boot")


async def test_an_image_is_found_by_every_name(catalog: Catalog, state: MemoryStore) -> None:
    await catalog.add(image(A, "r/x:1", digests=("r/x@sha256:1",)))

    assert catalog.named("r/x:1") == catalog.named("r/x@sha256:1") == catalog.image(A)
    assert catalog.ids_from("aa") == [A]
    assert state.get("image", A) is not None


async def test_names_add_up_and_a_tag_moves(catalog: Catalog, state: MemoryStore) -> None:
    await catalog.add(image(A, "r/x:1"))
    await catalog.add(image(A, "r/x:2"))
    await catalog.add(image(B, "r/x:1"))

    old, new = catalog.image(A), catalog.image(B)
    assert old is not None
    assert new is not None
    assert list(old.repo_tags) == ["r/x:2"]
    assert catalog.named("r/x:1") == new
    assert ImageRecord.FromString(state.get("image", A) or b"") == old


async def test_removal_takes_all_names(catalog: Catalog, state: MemoryStore) -> None:
    await catalog.add(image(A, "r/x:1", "r/y:1"))

    await catalog.remove(A)
    await catalog.remove(A)

    assert catalog.images() == []
    assert catalog.named("r/y:1") is None
    assert state.get("image", A) is None


def test_a_blob_is_known_by_what_the_record_of_its_layer_says(
    catalog: Catalog, state: MemoryStore
) -> None:
    layer = LayerRecord(version=2, diff_id="sha256:1")
    layer.blobs.add(digest="sha256:a", size=7)
    catalog.add_layer(layer, lambda: None)
    more = LayerRecord()
    more.CopyFrom(layer)
    more.blobs.add(digest="sha256:b", size=8)
    catalog.change_layer(more)
    known = {"sha256:a": KnownBlob("sha256:1", 7), "sha256:b": KnownBlob("sha256:1", 8)}
    assert catalog.blobs() == known

    again = Catalog(state, "this boot")
    again.load([], [LayerRecord.FromString(v) for _, v in state.items("layer")], {"sha256:1"})
    assert again.blobs() == known

    again.forget_layer("sha256:1")
    again.change_layer(more)
    assert again.blob("sha256:a") is None
    assert state.get("layer", "sha256:1") is None


async def test_the_user_of_an_image_is_parsed_once(catalog: Catalog) -> None:
    app = image(A)
    app.config = b'{"config": {"User": "app"}}'
    await catalog.add(app)
    assert catalog.user(app) == "app"
    assert catalog.user(image(A)) == "app"
    await catalog.remove(A)
    app.config = b"{}"
    assert catalog.user(app) == ""


async def test_layers_are_used_by_images_and_by_work_in_hand(catalog: Catalog) -> None:
    await catalog.add(image(A, layers=("sha256:1",)))

    with catalog.hold(["sha256:2", "sha256:2"]), catalog.hold(["sha256:2"]):
        inside = catalog.used()

    assert inside == {"sha256:1", "sha256:2"}
    assert catalog.used() == {"sha256:1"}


def test_a_load_keeps_what_is_whole(catalog: Catalog, state: MemoryStore) -> None:
    layers = [LayerRecord(version=1, diff_id=f"sha256:{n}") for n in (1, 2, 3)]
    images = [
        image(A, "r/a:1", layers=("sha256:1",)),
        image(B, "r/b:1", layers=("sha256:1", "sha256:2")),
    ]
    state.put("meta", "unsynced/sha256:3", b"this boot")

    catalog.load(images, layers, {"sha256:1", "sha256:3"})

    assert [found.id for found in catalog.images()] == [A]
    assert catalog.layer("sha256:2") is None
    assert catalog.layer("sha256:3") is not None


def test_an_image_that_lacks_only_what_is_made_of_its_layers_is_not_dropped(
    catalog: Catalog, state: MemoryStore
) -> None:
    layers = [LayerRecord(version=1, diff_id=f"sha256:{n}") for n in (1, 2)]
    lost, kept = image(A, layers=("sha256:1", "sha256:9")), image(B, layers=("sha256:1",))
    kept.directories = "sha256:2"
    for record in (lost, kept):
        state.put("image", record.id, record.SerializeToString())
    state.put("meta", "unsynced/sha256:2", b"the boot before")

    loaded = catalog.load([lost, kept], layers, {"sha256:1", "sha256:2"})

    assert (loaded.doubtful, loaded.incomplete) == ({"sha256:2"}, [kept])
    assert loaded.left == {"sha256:1", "sha256:9"}
    assert catalog.images() == []
    assert [id for id, _ in state.items("image")] == [B]


def test_a_layer_unpacked_shortly_before_a_power_cut_is_not_trusted(
    catalog: Catalog, state: MemoryStore
) -> None:
    layers = [LayerRecord(version=1, diff_id="sha256:1")]
    state.put("meta", "unsynced/sha256:1", b"the boot before")

    catalog.load([image(A, layers=("sha256:1",))], layers, {"sha256:1"})

    assert catalog.images() == []
    assert catalog.unsettled() == []


def test_a_layer_is_unsettled_until_it_is_on_the_disk(catalog: Catalog) -> None:
    committed = []
    catalog.add_layer(LayerRecord(version=1, diff_id="sha256:1"), lambda: committed.append(1))
    before = catalog.unsettled()

    catalog.settled(["sha256:1"])

    assert committed == [1]
    assert before == ["sha256:1"]
    assert catalog.unsettled() == []
