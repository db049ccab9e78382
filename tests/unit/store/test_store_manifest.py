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
