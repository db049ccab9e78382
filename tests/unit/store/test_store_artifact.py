"""What a manifest of an artifact describes, and what of it is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.errors import ToolFailed
from cri_shim.store import artifact
from cri_shim.store.artifact import Artifact, File
from cri_shim.store.manifest import Blob, Content, digest_of
from tests.fixtures import artifacts
from tests.fixtures.artifacts import Layer, archive
from tests.fixtures.images import Image, Tar

IMAGE = Image([Tar().file("a")])


def described(made: artifacts.Artifact) -> Artifact:
    found = artifact.content(made.manifest, made.config_bytes)
    assert isinstance(found, Artifact)
    return found


def test_a_layer_with_a_title_is_a_file_of_that_name() -> None:
    made = artifacts.Artifact(Layer(b"1", "model/weights.bin"), Layer(b"22", "./a//b.txt"))

    found = described(made)

    assert found.type == "application/x.test"
    assert (found.image_id, found.manifest_digest) == (made.id, made.digest)
    assert found.files == (
        File("model/weights.bin", Blob(digest_of(b"1"), 1)),
        File("a/b.txt", Blob(digest_of(b"22"), 2)),
    )
    assert found.size == len(made.manifest) + 2 + 3


def test_a_layer_without_a_title_is_named_by_its_path_as_a_model_or_by_its_digest() -> None:
    model = Layer(b"1", notes={"org.cncf.model.filepath": "m/config.json"})

    found = described(artifacts.Artifact(model, Layer(b"2")))

    assert [file.name for file in found.files] == [
        "m/config.json",
        digest_of(b"2").replace(":", "-"),
    ]


def test_an_archive_is_unpacked_only_if_it_asks_for_it() -> None:
    tar = Tar().file("x").bytes()

    asks, does_not = described(
        artifacts.Artifact(archive(tar, "d", **{artifacts.TAR_DIGEST: "sha256:1"}), Layer(tar, "t"))
    ).files

    assert (asks.unpack, asks.tar_digest) == (True, "sha256:1")
    assert (does_not.unpack, does_not.tar_digest) == (False, "")


@pytest.mark.parametrize("layers", [[], None, [Layer(b"{}", kind=artifacts.EMPTY_TYPE)]])
def test_an_artifact_may_have_no_files(layers: list[Layer] | None) -> None:
    made = artifacts.Artifact(*(layers or []))
    document = {**made.document, **({"layers": None} if layers is None else {})}

    found = artifact.content(json.dumps(document).encode(), b"{}")

    assert isinstance(found, Artifact)
    assert (found.files, found.layers) == ((), ())


def test_the_same_layer_twice_is_one_file_and_a_blob_with_two_titles_is_two() -> None:
    found = described(
        artifacts.Artifact(Layer(b"1"), Layer(b"1"), Layer(b"2", "a"), Layer(b"2", "b"))
    )

    assert len(found.files) == 3
    assert len(found.layers) == 2


@pytest.mark.parametrize(
    ("config_type", "artifact_type", "config", "is_artifact"),
    [
        ("application/vnd.oci.empty.v1+json", "application/x", b"{}", True),
        ("application/vnd.cncf.helm.config.v1+json", "", b"not JSON", True),
        ("application/vnd.oci.image.config.v1+json", "application/x", b"{}", True),
        ("application/vnd.oci.image.config.v1+json", "application/x", IMAGE.config_bytes, False),
        ("application/vnd.oci.image.config.v1+json", "", IMAGE.config_bytes, False),
        ("application/octet-stream", "", IMAGE.config_bytes, False),
    ],
)
def test_the_config_decides_what_is_an_artifact(
    config_type: str, artifact_type: str, config: bytes, is_artifact: bool
) -> None:
    made = artifacts.Artifact(
        Layer(IMAGE.blobs[0]), config=config, config_type=config_type, artifact_type=artifact_type
    )

    found = artifact.content(made.manifest, config)

    assert isinstance(found, Artifact if is_artifact else Content)
    if is_artifact:
        assert isinstance(found, Artifact)
        assert found.type == (artifact_type or config_type)


def test_no_image_can_have_the_id_of_an_artifact() -> None:
    theirs = artifacts.Artifact()
    thief = artifacts.Artifact(
        config=theirs.manifest,
        config_type="application/vnd.oci.image.config.v1+json",
        artifact_type="",
    )

    with pytest.raises(ToolFailed, match="the image config is no image config but a manifest"):
        artifact.content(thief.manifest, theirs.manifest)


def test_a_docker_manifest_is_an_image() -> None:
    image = Image([Tar().file("a")], docker=True)

    assert isinstance(artifact.content(image.manifest, image.config_bytes), Content)


@pytest.mark.parametrize(
    ("title", "problem"),
    [
        ("../../etc/x", "leads out of the volume"),
        ("a/../b", "leads out of the volume"),
        ("/etc/passwd", "is absolute"),
        ("./", "names no file"),
        ("a\x1b[2Jb", "cannot be printed"),
        ("a\nb", "cannot be printed"),
        ("a\0b", "cannot be printed"),
        ("x" * 4096, "more than 1024 bytes"),
        ("x" * 256, "a part of it more than 255"),
        ("é" * 128, "a part of it more than 255"),
        ("a/.wh.b", "hide files in images"),
    ],
)
def test_a_title_that_cannot_be_a_file_below_the_volume_is_refused(
    title: str, problem: str
) -> None:
    with pytest.raises(ToolFailed, match=f"layer 0 of the artifact cannot become.*{problem}") as e:
        described(artifacts.Artifact(Layer(b"1", title)))
    assert len(str(e.value)) < 400
    assert str(e.value).isprintable()


@pytest.mark.parametrize(
    ("layers", "problem"),
    [
        ([Layer(b"1", "a"), Layer(b"2", "a")], "two layers of the artifact are named 'a'"),
        ([Layer(b"1", "a"), Layer(b"2", "./a")], "two layers of the artifact are named 'a'"),
        ([Layer(b"1", "a"), Layer(b"2", "a/b")], "'a/b' below another layer's name"),
        ([archive(b"1", "a"), Layer(b"2", "a/b/c")], "'a/b/c' below another layer's name"),
        ([Layer(b"%d" % n, str(n)) for n in range(10_000)], "has 10000 layers, at most 1000"),
        ([Layer(b"1", kind="a/b+encrypted")], "layer 0 .* encrypted, and cri-shim cannot decrypt"),
    ],
)
def test_layers_that_do_not_go_together_are_refused(layers: list[Layer], problem: str) -> None:
    with pytest.raises(ToolFailed, match=problem):
        described(artifacts.Artifact(*layers))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"layers": {}}, "no list"),
        ({"layers": [None]}, "layer 0 of the artifact is missing"),
        ({"layers": [{**Layer(b"1").described(), "annotations": [1]}]}, "no texts"),
        ({"layers": [{**Layer(b"1").described(), "annotations": {"a": 1}}]}, "no texts"),
        ({"artifactType": ["x"]}, "no valid type"),
        ({"artifactType": "x" * 256}, "no valid type"),
        ({"artifactType": "a\nb"}, "no valid type"),
        ({"config": {"mediaType": "x/y", "digest": digest_of(b"{}"), "size": 3}}, "of 3 bytes"),
    ],
)
def test_a_malformed_manifest_is_refused(changed: dict[str, Any], problem: str) -> None:
    document = {**artifacts.Artifact(Layer(b"1")).document, **changed}

    with pytest.raises(ToolFailed, match=problem):
        artifact.content(json.dumps(document).encode(), b"{}")


@given(title=st.text(max_size=300))
def test_any_title_is_refused_or_stays_below_the_volume(title: str) -> None:
    try:
        (file,) = described(artifacts.Artifact(Layer(b"1", title))).files
    except ToolFailed:
        return
    parts = file.name.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert file.name.isprintable()
    assert max(len(part.encode()) for part in parts) <= 255
