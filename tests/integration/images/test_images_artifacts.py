"""OCI artifacts on a node: pulled, shown, mounted, counted, saved and removed."""

# ruff: noqa: PTH208

import asyncio
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, NotFound, SignatureValidationFailed, ToolFailed
from cri_shim.images import inspect, load, mount, pull, query, remove, save
from cri_shim.store.fetching.fetcher import Fetcher
from cri_shim.store.manifest import host_architecture
from tests.fixtures.artifacts import TAR_DIGEST, Artifact, Layer, archive
from tests.fixtures.image_engine import close
from tests.fixtures.images import Image, Registry, Tar, _compress, _digest
from tests.fixtures.odd_registry import OddRegistry, digest_of, other, status
from tests.integration.images.conftest import Open
from tests.integration.images.test_images_recover import background_done
from tests.integration.images.test_images_usage import of_images, told

WEIGHTS = os.urandom(3 << 20)
MODEL = Artifact(Layer(WEIGHTS, "model/weights.bin"), Layer(b"read me", "README"), Layer(b"bare"))


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[OddRegistry]:
    with OddRegistry(tmp_path) as registry:
        yield registry


@pytest.fixture
async def odd_engine(open_images: Open, odd: OddRegistry) -> Engine:
    """A store that fetches one blob after the other, and keeps those of pulls that fail."""
    fetcher = Fetcher(registries_conf=odd.conf, architecture=host_architecture(), layers_at_once=1)
    return await open_images(conf=odd.conf, fetcher=fetcher, grace=600.0)


def serve(odd: OddRegistry, artifact: Artifact, name: str = "") -> str:
    return odd.serve(artifact.manifest, [artifact.config_bytes, *artifact.blobs], name=name)


def files(top: Path) -> dict[str, bytes]:
    found = (path for path in top.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(top)): path.read_bytes() for path in found}


async def shown(engine: Engine, id: str) -> dict[str, bytes]:
    """Mount it, and return its files."""
    try:
        return files(await mount.mount(engine, id))
    finally:
        await mount.unmount(engine, id)


async def nothing_left(engine: Engine) -> None:
    await background_done(engine)
    store = engine.images
    assert os.listdir(store.layouts) == []
    assert os.listdir(store.layers.directory) == []
    assert os.listdir(store.blobs.directory) == []


async def test_an_artifact_is_pulled_listed_and_removed(engine: Engine, registry: Registry) -> None:
    name = registry.push(MODEL, "artifact/model:1")

    id = await pull.pull(engine, name)

    (listed,) = query.listed(engine)
    found, info = query.status(engine, name, verbose=True)
    assert id == listed.id == MODEL.id
    assert found == listed
    assert list(listed.repo_tags) == [name]
    assert list(listed.repo_digests) == [f"{name.removesuffix(':1')}@{MODEL.digest}"]
    assert listed.size >= len(WEIGHTS)
    assert json.loads(info["info"])["artifactType"] == "application/x.test"
    assert inspect.inspect(engine, id)["ArtifactType"] == "application/x.test"
    await remove.remove(engine, name)
    assert list(query.listed(engine)) == []
    await nothing_left(engine)


async def test_its_files_are_the_blobs_themselves(engine: Engine, registry: Registry) -> None:
    id = await pull.pull(engine, registry.push(MODEL, "artifact/model:2"))

    tree = await mount.mount(engine, id)

    bare = digest_of(b"bare").replace(":", "-")
    assert files(tree) == {"model/weights.bin": WEIGHTS, "README": b"read me", bare: b"bare"}
    assert stat.S_IMODE((tree / "README").stat().st_mode) == 0o644
    assert stat.S_IMODE((tree / "model").stat().st_mode) == 0o755
    with pytest.raises(OSError, match="Read-only"):
        (tree / "README").write_bytes(b"changed")
    await mount.unmount(engine, id)
    (layer,) = engine.images.catalog.layers()
    kept = engine.images.blobs.path(digest_of(WEIGHTS))
    assert (engine.images.layers.path(layer.diff_id) / "model/weights.bin").samefile(kept)


@pytest.mark.parametrize("prefix", ["", "data/set/", "./data/set/"])
@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
async def test_an_archive_that_asks_for_it_is_unpacked_below_its_title(
    engine: Engine, registry: Registry, prefix: str, compression: str
) -> None:
    tar = Tar().file(f"{prefix}a", b"1").directory(f"{prefix}d").file(f"{prefix}d/.wh.b", b"2")
    data = tar.hard_link(f"{prefix}link", f"{prefix}a").symlink(f"{prefix}s", "/etc").bytes()
    blob = _compress(data, compression)  # type: ignore[arg-type]
    made = Artifact(archive(blob, "data/set", **{TAR_DIGEST: _digest(data)}), Layer(b"3", "data/x"))

    id = await pull.pull(engine, registry.push(made, "artifact/data:1"))

    tree = await mount.mount(engine, id)
    assert files(tree) == {
        "data/set/a": b"1", "data/set/d/.wh.b": b"2", "data/set/link": b"1", "data/x": b"3",
    }  # fmt: skip
    assert os.readlink(tree / "data/set/s") == "/etc"  # noqa: PTH115
    await mount.unmount(engine, id)
    await remove.remove(engine, id)
    await nothing_left(engine)


@pytest.mark.parametrize(
    ("tar", "notes", "problem"),
    [
        (Tar().file("../x"), {}, "leads out of the layer"),
        (Tar().symlink("s", "/etc").file("s/x"), {}, "goes through the symbolic link '/s'"),
        (Tar().symlink("s", "../..").file("s/x"), {}, "leads out of the layer by a symbolic link"),
        (Tar().hard_link("h", "../../etc/passwd"), {}, "leads out of the layer"),
        (Tar().file("x"), {TAR_DIGEST: "sha256:" + "0" * 64}, "not to the sha256:0000"),
        (b"no archive at all" * 100, {}, "cannot unpack 'd', the archive"),
    ],
)
async def test_a_hostile_archive_is_refused_and_nothing_is_left(
    engine: Engine, registry: Registry, tar: Tar | bytes, notes: dict[str, str], problem: str
) -> None:
    made = Artifact(archive(tar if isinstance(tar, bytes) else tar.bytes(), "d", **notes))

    with pytest.raises(ToolFailed, match=problem):
        await pull.pull(engine, registry.push(made, "artifact/bad:1"))

    assert list(query.listed(engine)) == []
    await nothing_left(engine)


async def test_a_title_that_leads_out_is_refused_before_a_blob_is_asked_for(
    odd_engine: Engine, odd: OddRegistry
) -> None:
    name = serve(odd, Artifact(Layer(b"1", "../../etc/cron.d/x")))

    with pytest.raises(ToolFailed, match="leads out of the volume"):
        await pull.pull(odd_engine, name)

    assert odd.requests(digest_of(b"1")) == []
    await nothing_left(odd_engine)


async def test_the_policy_of_the_node_decides_about_artifacts(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "reject"}]}')
    engine = await open_images(policy=policy)

    with pytest.raises(SignatureValidationFailed, match=f"is rejected by {policy}"):
        await pull.pull(engine, registry.push(MODEL, "artifact/refused:1"))
    with pytest.raises(ToolFailed, match="rejected by policy"):
        await load.load(engine, f"oci:{MODEL.write_layout(tmp_path / 'layout', 'r.example/m:1')}")

    await nothing_left(engine)


async def test_an_encrypted_layer_is_refused_with_what_to_do(
    odd_engine: Engine, odd: OddRegistry
) -> None:
    image = Image([Tar().file("a")])
    document = json.loads(image.manifest)
    document["layers"][0]["mediaType"] += "+encrypted"
    made = json.dumps(document).encode()
    encrypted = Artifact(Layer(b"1", "a", "application/x+encrypted"))
    names = [odd.serve(made, [image.config_bytes, *image.blobs]), serve(odd, encrypted)]

    for name in names:
        with pytest.raises(ToolFailed, match=r"cannot decrypt layers: push a copy .* KEY\), and"):
            await pull.pull(odd_engine, name)

    await nothing_left(odd_engine)


async def test_an_empty_artifact_is_an_empty_volume(engine: Engine, registry: Registry) -> None:
    id = await pull.pull(engine, registry.push(Artifact(), "artifact/empty:1"))

    assert await shown(engine, id) == {}


async def test_a_file_may_be_the_same_bytes_as_the_config(
    engine: Engine, registry: Registry
) -> None:
    for made in (Artifact(Layer(b"{}", "a.json")), Artifact(Layer(b"{}", "b.json"))):
        id = await pull.pull(engine, registry.push(made, "artifact/same:1"))

        assert list((await shown(engine, id)).values()) == [b"{}"]


async def test_a_blob_is_fetched_once_for_all_artifacts(
    odd_engine: Engine, odd: OddRegistry
) -> None:
    first = Artifact(Layer(WEIGHTS, "w"), Layer(b"1", "v"))
    second = Artifact(Layer(WEIGHTS, "w"), Layer(b"2", "v"))

    ids = await asyncio.gather(
        *(pull.pull(odd_engine, serve(odd, artifact)) for artifact in (first, second))
    )

    assert len(odd.requests(digest_of(WEIGHTS))) == 1
    assert odd.requests(digest_of(b"{}")) == []  # it is known
    await remove.remove(odd_engine, ids[0])
    assert await shown(odd_engine, ids[1]) == {"w": WEIGHTS, "v": b"2"}


async def test_the_next_try_has_the_blobs_of_one_that_failed(
    odd_engine: Engine, odd: OddRegistry
) -> None:
    name = serve(odd, Artifact(Layer(WEIGHTS, "w"), Layer(b"last", "l")))
    odd.plan(digest_of(b"last"), status(404), always=True)
    with pytest.raises(NotFound, match="has no blob"):
        await pull.pull(odd_engine, name)
    await background_done(odd_engine)
    odd.plan(digest_of(b"last"))

    id = await pull.pull(odd_engine, name)

    assert len(odd.requests(digest_of(WEIGHTS))) == 1
    assert await shown(odd_engine, id) == {"w": WEIGHTS, "l": b"last"}


async def test_a_blob_of_other_bytes_is_refused(odd_engine: Engine, odd: OddRegistry) -> None:
    name = serve(odd, Artifact(Layer(b"right", "f")))
    odd.plan(digest_of(b"right"), other(b"wrong"), always=True)

    with pytest.raises(ToolFailed, match="the received content has the digest"):
        await pull.pull(odd_engine, name)

    assert list(query.listed(odd_engine)) == []


async def test_what_artifacts_take_is_what_du_says(engine: Engine, registry: Registry) -> None:
    tar = Tar().file("a", os.urandom(1 << 20)).bytes()
    one = Artifact(Layer(WEIGHTS, "w"), archive(tar, "d"))
    two = Artifact(Layer(WEIGHTS, "other/w"), Layer(b"2", "v"))
    ids = [
        await pull.pull(engine, registry.push(made, f"artifact/usage:{number}"))
        for number, made in enumerate((one, two))
    ]
    before = of_images(engine)
    assert await told(engine) == before

    of_both, of_one = (engine.images.only_of(gone).used_bytes for gone in (ids, ids[:1]))
    await remove.remove(engine, ids[0])
    await background_done(engine)
    after = of_images(engine)
    assert await told(engine) == after
    await remove.remove(engine, ids[1])
    await background_done(engine)

    assert (of_both, of_one) == (before[0], before[0] - after[0])
    assert await told(engine) == (0, 0)


async def test_a_mounted_artifact_keeps_its_bytes_and_they_are_counted(
    engine: Engine, registry: Registry
) -> None:
    id = await pull.pull(engine, registry.push(MODEL, "artifact/held:1"))
    tree = await mount.mount(engine, id)

    await remove.remove(engine, id)
    await background_done(engine)

    assert (tree / "model/weights.bin").read_bytes() == WEIGHTS
    assert await told(engine) == of_images(engine)
    await mount.unmount(engine, id)
    await nothing_left(engine)


@pytest.mark.parametrize("transport", ["oci-archive", "oci", "dir"])
async def test_what_is_saved_is_loaded_as_the_same_artifact(
    engine: Engine, registry: Registry, tmp_path: Path, transport: str
) -> None:
    made = Artifact(
        *MODEL.layers,
        archive(Tar().file("x", b"1").bytes(), "d"),
        config=b"\xff no JSON",
        config_type="application/x.config",
    )
    id = await pull.pull(engine, registry.push(made, "artifact/save:1"))
    before = await shown(engine, id)

    saved = await save.save(engine, id, f"{transport}:{tmp_path}/saved", ["r.example/saved:1"])
    await remove.remove(engine, id)
    await nothing_left(engine)
    name = "r.example/saved:1" if transport == "dir" else ""
    (loaded,) = await load.load(engine, f"{transport}:{tmp_path}/saved", name)

    assert saved == loaded.image_id == id == made.id
    assert await shown(engine, id) == before


async def test_a_docker_archive_of_an_artifact_is_refused(
    engine: Engine, registry: Registry, tmp_path: Path
) -> None:
    id = await pull.pull(engine, registry.push(MODEL, "artifact/docker:1"))

    with pytest.raises(InvalidArgument, match="a docker-archive cannot have an artifact"):
        await save.save(engine, id, f"docker-archive:{tmp_path}/saved")

    assert not (tmp_path / "saved").exists()


async def test_a_layer_of_an_image_that_is_here_is_a_file_of_a_loaded_artifact(
    engine: Engine, tmp_path: Path
) -> None:
    image = Image([Tar().file("in-image", b"1")], compression=("none",))
    await load.load(engine, f"oci:{image.write_layout(tmp_path / 'image', 'r.example/i:1')}")
    made = Artifact(Layer(image.blobs[0], "layer.tar"))

    (loaded,) = await load.load(
        engine, f"oci:{made.write_layout(tmp_path / 'made', 'r.example/a:1')}"
    )

    assert await shown(engine, loaded.image_id) == {"layer.tar": image.blobs[0]}


async def test_the_next_daemon_has_it_and_a_power_cut_before_it_was_on_the_disk_drops_it(
    open_images: Open, registry: Registry
) -> None:
    name = registry.push(MODEL, "artifact/again:1")
    first = await open_images()
    id = await pull.pull(first, name)
    before = list(query.listed(first))
    await close(first)

    again = await open_images()
    assert list(query.listed(again)) == before
    assert (await shown(again, id))["model/weights.bin"] == WEIGHTS
    await close(again)
    cut = await open_images(boot="another boot")

    listed = list(query.listed(cut))
    await background_done(cut)
    assert listed == [] or not cut.images.catalog.unsettled()
    assert await pull.pull(cut, name) == id
    assert (await shown(cut, id))["model/weights.bin"] == WEIGHTS


@pytest.mark.parametrize("point", ["blobs", "blob", "tree", "catalogue"])
async def test_a_failure_at_each_step_leaves_nothing(
    engine: Engine, registry: Registry, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    name = registry.push(MODEL, "artifact/fails:1")
    with monkeypatch.context() as patch:
        _fail_at(patch, f"images.artifact.{point}")
        with pytest.raises(RuntimeError, match="as ordered"):
            await pull.pull(engine, name)
    await nothing_left(engine)

    assert await pull.pull(engine, name) == MODEL.id


def _fail_at(patch: pytest.MonkeyPatch, wanted: str) -> None:
    from cri_shim.images import arrival
    from cri_shim.store import artifact_tree
    from cri_shim.store.fetching import artifact_blobs

    def fail(name: str) -> None:
        if name == wanted:
            raise RuntimeError("as ordered")

    for module in (arrival, artifact_tree, artifact_blobs):
        patch.setattr(module, "fault_point", fail)
