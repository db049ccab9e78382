"""Manifests and configs."""

import json

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.store import manifest
from tests.fixtures.images import Image, Tar

IMAGE = Image([Tar().file("a"), Tar().file("b")], config={"User": "app:x"})


def test_what_belongs_together_is_taken() -> None:
    content = manifest.content(IMAGE.manifest, IMAGE.config_bytes)

    assert content.image_id == IMAGE.id
    assert content.manifest_digest == IMAGE.digest
    assert content.size == IMAGE.size
    assert list(content.diff_ids) == IMAGE.true_diff_ids
    assert manifest.user_of(content.config) == "app:x"


@pytest.mark.parametrize(
    "broken",
    [b"", b"[]", b"{}", b'{"layers": 1}', b'{"layers": [{}]}',
     b'{"layers": [{"digest": "sha256:../../x", "size": 1}]}',
     b'{"layers": [{"digest": "md5:12", "size": 1}]}'],
)  # fmt: skip
def test_a_broken_manifest_is_a_sentence(broken: bytes) -> None:
    with pytest.raises(ToolFailed, match="manifest"):
        manifest.layers_of(broken)


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (None, "layer 1 is missing or not a JSON object"),
        ({"digest": "sha512:" + "a" * 128}, "layer 1 has no valid sha256 digest: sha512:aaa"),
        ({"size": -1}, "layer 1 has no valid size: -1"),
        ({"size": 1 << 63}, "layer 1 has no valid size: 9223372036854775808"),
        ({"size": 1 << 70}, "the manifest has a number beyond 64 bits"),
        ({"size": True}, "layer 1 has no valid size: True"),
        ({"size": 1.0}, "layer 1 has no valid size: 1.0"),
        ({"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar"}, "a foreign layer"),
        ({"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar"},
         "a non-distributable layer"),
        ({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"},
         "it is encrypted, and cri-shim cannot decrypt layers"),
        ({"annotations": {"a": "\ud800"}}, "the manifest has half a surrogate pair"),
    ],
)  # fmt: skip
def test_a_layer_that_cannot_be_had_is_named(layer: dict[str, object] | None, problem: str) -> None:
    document = json.loads(IMAGE.manifest)
    document["layers"][1] = layer and {**document["layers"][1], **layer}

    with pytest.raises(ToolFailed, match=problem):
        manifest.layers_of(json.dumps(document).encode())


def test_what_no_container_can_be_made_of_is_refused() -> None:
    image = Image([Tar().file("a")], config={"User": "x" * 5000})

    with pytest.raises(ToolFailed, match=r"config\.User: has 5000 characters"):
        manifest.content(image.manifest, image.config_bytes)


def test_more_layers_than_the_kernel_mounts_are_refused() -> None:
    layers = [Tar().file(f"f{n}") for n in range(manifest.MAX_LAYERS + 1)]
    many, enough = Image(layers), Image([layers[0]] * (manifest.MAX_LAYERS + 1))

    with pytest.raises(ToolFailed, match="has 501 layers, at most 500"):
        manifest.content(many.manifest, many.config_bytes)
    manifest.content(enough.manifest, enough.config_bytes)


def test_sizes_are_checked_each_and_together() -> None:
    document = json.loads(IMAGE.manifest)
    for layer in document["layers"]:
        layer["size"] = (1 << 63) - 1
    with pytest.raises(ToolFailed, match="says that the image has 1844674407370955"):
        manifest.content(json.dumps(document).encode(), IMAGE.config_bytes)

    document["config"]["size"] += 1
    with pytest.raises(ToolFailed, match="says that the config has"):
        manifest.content(json.dumps(document).encode(), IMAGE.config_bytes)


def test_a_manifest_or_config_beyond_the_limit_is_refused_by_its_size() -> None:
    with pytest.raises(ToolFailed, match="the manifest has 4194305 bytes, at most 4194304"):
        manifest.layers_of(b" " * ((4 << 20) + 1))


def test_a_config_of_other_layers_is_refused() -> None:
    config = json.dumps({"rootfs": {"diff_ids": IMAGE.true_diff_ids[:1]}}).encode()

    with pytest.raises(ToolFailed, match="2 layers and the config 1"):
        manifest.content(IMAGE.manifest, config)


def test_another_machine_s_image_is_refused_naming_both() -> None:
    config = b'{"os": "linux", "architecture": "s390x"}'

    with pytest.raises(ToolFailed, match="linux/s390x, this machine is linux/arm64"):
        manifest.check_platform(config, "arm64")
    manifest.check_platform(b"{}", "arm64")


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_machines_have_the_names_images_use(machine: str, name: str) -> None:
    assert manifest.host_architecture(machine) == name
