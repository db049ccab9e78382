"""Images that lie: about which layer a blob is, and about sizes.

What an image says of a blob that others use, too, must neither become what the node believes of it
nor keep an honest image from being pulled.
"""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cri_shim.errors import CriShimError, ToolFailed
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.pb.state_pb2 import ImageRecord, LayerRecord
from cri_shim.rpc.client import Client
from cri_shim.state.leveldb import LevelStore
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.images import Image, Tar
from tests.fixtures.layer_stores import files_of
from tests.fixtures.odd_images import config, listed, pull, remove, whole
from tests.fixtures.odd_registry import OddRegistry, digest_of

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # of no bytes
TAR = "application/vnd.oci.image.layer.v1.tar"
MISMATCH = "do not belong together|Size mismatch"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OddRegistry]:
    with OddRegistry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module", params=[False, True], ids=["blobs dropped", "blobs kept"])
def daemon(registry: OddRegistry, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    settings = {"image.registries_conf": str(registry.conf), "image.keep_blobs": request.param}
    with private_daemon(0, **settings) as started:
        yield started


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    """Afterwards no image of the test is left, and the log has no traceback."""
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        before = await listed(calls)
        yield calls
        for id in set(await listed(calls)) - set(before):
            await remove(calls, id)
        assert "Traceback" not in daemon.log.read_text()


@pytest.fixture
def popular(request: pytest.FixtureRequest) -> Image:
    """An image of the test's own, with one layer."""
    return Image([Tar().file("popular", request.node.name.encode() * 100)])


@pytest.fixture
def other(request: pytest.FixtureRequest) -> Image:
    return Image([Tar().file("other", request.node.name.encode() * 100)])


def served(registry: OddRegistry, image: Image) -> str:
    return registry.serve(image.manifest, [image.config_bytes, *image.blobs])


def lying(blobs: list[bytes], diff_ids: list[str], sizes: list[int] | None = None) -> Image:
    """An image that claims that these blobs are the layers of these diff-ids."""
    data = config('{"User": "liar"}', diff_ids=diff_ids)
    layers = [
        {"mediaType": f"{TAR}+gzip", "digest": digest_of(blob), "size": size}
        for blob, size in zip(blobs, sizes or map(len, blobs), strict=True)
    ]
    made = Image([])
    made.config_bytes, made.manifest, made.blobs = data, whole(data, layers=layers), blobs
    return made


async def refused(cri: Cri, registry: OddRegistry, liar: Image, words: str = MISMATCH) -> None:
    with pytest.raises(ToolFailed, match=words):
        await pull(cri, served(registry, liar))
    assert liar.id not in await listed(cri)


async def test_a_false_claim_for_an_existing_layer_blocks_no_pull(
    cri: Cri, registry: OddRegistry, popular: Image, other: Image
) -> None:
    await pull(cri, served(registry, other))
    await refused(cri, registry, lying([popular.blobs[0]], other.true_diff_ids))

    assert await pull(cri, served(registry, popular)) == popular.id
    assert await pull(cri, served(registry, popular)) == popular.id


async def test_another_blob_of_the_same_diff_id_blocks_no_pull(
    cri: Cri, registry: OddRegistry, popular: Image, other: Image
) -> None:
    twice = other.true_diff_ids * 2
    for blobs in ([other.blobs[0], popular.blobs[0]], [popular.blobs[0], other.blobs[0]]):
        await refused(cri, registry, lying(blobs, twice))

    assert await pull(cri, served(registry, popular)) == popular.id


async def test_a_known_blob_that_is_claimed_for_another_layer_is_refused(
    cri: Cri, registry: OddRegistry, popular: Image, other: Image
) -> None:
    await pull(cri, served(registry, popular))
    await pull(cri, served(registry, other))
    for claimed in (other.true_diff_ids[0], EMPTY, "sha256:" + "0" * 64):
        await refused(cri, registry, lying([popular.blobs[0]], [claimed]))

    await remove(cri, popular.id)
    assert await pull(cri, served(registry, popular)) == popular.id


async def test_a_missing_blob_is_not_identified_by_another_image(
    cri: Cri, registry: OddRegistry, popular: Image
) -> None:
    for claimed in (EMPTY, "sha256:" + "0" * 64):
        await refused(cri, registry, lying([popular.blobs[0]], [claimed]))

    assert await pull(cri, served(registry, popular)) == popular.id


@pytest.mark.parametrize("wrong", [0, 1, 1 << 40, (1 << 63) - 1])
async def test_a_wrong_size_of_a_blob_is_refused_and_not_listed(
    cri: Cri, registry: OddRegistry, popular: Image, wrong: int
) -> None:
    liar = lying(popular.blobs, popular.true_diff_ids, [wrong])
    await refused(cri, registry, liar, "bytes|size|Size")
    await pull(cri, served(registry, popular))
    await refused(cri, registry, liar, "bytes|size|Size")

    assert await pull(cri, served(registry, popular)) == popular.id
    request = api.ImageStatusRequest(image=api.ImageSpec(image=popular.id))
    assert 0 < (await cri.image.ImageStatus(request)).image.size < 1 << 20


async def test_sizes_that_are_too_much_together_are_refused(
    cri: Cri, registry: OddRegistry, popular: Image, other: Image
) -> None:
    blobs = popular.blobs + other.blobs
    ids = popular.true_diff_ids + other.true_diff_ids
    await refused(cri, registry, lying(blobs, ids, [(1 << 63) - 1] * 2), "bytes|size|Size")


async def test_claims_of_a_loaded_image_are_not_trusted(
    cri: Cri, registry: OddRegistry, popular: Image, other: Image, tmp_path: Path
) -> None:
    await pull(cri, served(registry, other))
    layout = lying([popular.blobs[0]], other.true_diff_ids).write_layout(tmp_path / "layout", "a:b")
    with pytest.raises(CriShimError, match=MISMATCH):
        await cri.control.LoadImage(control.LoadImageRequest(source=f"oci:{layout}"))

    assert await pull(cri, served(registry, popular)) == popular.id


async def test_one_layer_in_two_compressions_is_hashed_once_each(
    cri: Cri, registry: OddRegistry, popular: Image
) -> None:
    tar = popular.layers[0]
    assert isinstance(tar, Tar)
    gzip, zstd = popular, Image([tar], config={"User": "1"}, compression=("zstd",))
    third = Image([tar], config={"User": "2"}, compression=("zstd",))
    await pull(cri, served(registry, gzip))
    await pull(cri, served(registry, zstd))
    registry.sent.clear()

    await pull(cri, served(registry, third))

    assert digest_of(third.config_bytes) in registry.sent
    assert digest_of(third.blobs[0]) not in registry.sent


@pytest.fixture
def own_daemon(registry: OddRegistry) -> Iterator[Daemon]:
    """A separate daemon that the test kills and starts again."""
    with private_daemon(1, **{"image.registries_conf": str(registry.conf)}) as started:
        yield started


async def test_claims_recorded_by_an_older_daemon_are_not_trusted(
    own_daemon: Daemon, registry: OddRegistry, popular: Image, other: Image
) -> None:
    """Its records say nothing of blobs; the manifests that it kept may lie."""
    daemon = own_daemon
    async with Client(daemon.socket) as client:
        await pull(Cri(daemon, client), served(registry, other))
    liar = lying([popular.blobs[0]], other.true_diff_ids)
    daemon.kill()
    store = LevelStore(daemon.root / "state")
    for id, value in store.items("layer"):
        old = LayerRecord.FromString(value)
        made = LayerRecord(version=1, diff_id=id, size=old.size, inodes=old.inodes)
        store.put("layer", id, made.SerializeToString())
    record = ImageRecord(
        version=1, id=liar.id, repo_tags=["a.example/liar:1"], manifest_digest=liar.digest,
        config=liar.config_bytes, layers=other.true_diff_ids,
    )  # fmt: skip
    store.put("image", liar.id, record.SerializeToString())
    store.close()
    for data in (liar.manifest, liar.config_bytes):
        blobs = daemon.root / "images" / "blobs" / "sha256"
        (blobs / digest_of(data).removeprefix("sha256:")).write_bytes(data)

    daemon.start()

    async with Client(daemon.socket) as client:
        again = Cri(daemon, client)
        assert liar.id in await listed(again)
        assert await pull(again, served(registry, popular)) == popular.id


async def test_a_container_of_an_honest_image_sees_its_own_files(
    cri: Cri, registry: OddRegistry, popular: Image, tmp_path: Path
) -> None:
    """Layers are what their diff-ids say, whatever was claimed of blobs before."""
    await refused(cri, registry, lying(popular.blobs, [EMPTY]))
    await pull(cri, served(registry, popular))
    with files_of(cri.daemon.root, popular.true_diff_ids[0], tmp_path) as layer:
        assert [path.name for path in layer.iterdir()] == ["popular"]
    assert json.loads(popular.config_bytes)["rootfs"]["diff_ids"] == popular.true_diff_ids
