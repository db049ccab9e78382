"""hack/node-e2e: the images are those that the sources of the suite name."""

from pathlib import Path

import pytest

from hack.nodee2elib import names

MANIFEST = """
	initRegistry = RegistryList{
		PromoterE2eRegistry:      "registry.k8s.io/e2e-test-images",
		GcRegistry:               "registry.k8s.io",
		PrivateRegistry:          "gcr.io/k8s-authenticated-test",
	}
	configs[Agnhost] = Config{list.PromoterE2eRegistry, "agnhost", "2.66.1"}
	configs[AgnhostPrivate] = Config{list.PrivateRegistry, "agnhost", "2.6"}
	configs[Pause] = Config{list.GcRegistry, "pause", "3.10.2"}
"""


def source_tree(directory: Path, manifest: str) -> Path:
    file = directory / "test/utils/image/manifest.go"
    file.parent.mkdir(parents=True)
    file.write_text(manifest)
    spec = directory / "test/e2e_node/memory_qos_test.go"
    spec.parent.mkdir(parents=True)
    spec.write_text('Image: "registry.k8s.io/e2e-test-images/busybox:1.36.1-1",')
    return directory


def test_names_of_the_manifest_have_registry_and_tag_but_refused_ones_are_left_out():
    assert list(names.of_manifest(MANIFEST)) == [
        "registry.k8s.io/e2e-test-images/agnhost:2.66.1",
        "registry.k8s.io/pause:3.10.2",
    ]


def test_names_in_the_text_of_a_spec_are_included(tmp_path: Path):
    wanted = names.wanted(source_tree(tmp_path, MANIFEST))

    assert "registry.k8s.io/e2e-test-images/busybox:1.36.1-1" in wanted
    assert len(wanted) == 3


def test_a_manifest_of_another_form_is_an_error(tmp_path: Path):
    with pytest.raises(RuntimeError, match="names no images"):
        names.wanted(source_tree(tmp_path, "package image\n"))
