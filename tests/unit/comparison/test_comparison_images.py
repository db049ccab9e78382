"""Layers, blobs and temporary files against the records of the store."""

from pathlib import Path

import pytest

from cri_shim.comparison import images
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.records import Store
from tests.unit.comparison.conftest import Instance

ONE, TWO, THREE = (letter * 64 for letter in "123")


def digests(*names: str) -> frozenset[str]:
    return frozenset(f"sha256:{name}" for name in names)


def made(instance: Instance, *paths: str) -> None:
    for path in paths:
        (instance.paths.root / path).parent.mkdir(parents=True, exist_ok=True)
        (instance.paths.root / path).touch()


def found(instance: Instance) -> dict[str, Difference]:
    differences = images.find(instance.place(), instance.records())
    return {Path(d.path).name: d for d in differences}


def test_nothing_is_said_without_the_records_of_the_store(instance: Instance) -> None:
    made(instance, f"layers/{ONE}")

    assert found(instance) == {}


def test_layers_with_a_record_or_in_use_are_no_difference(instance: Instance) -> None:
    made(instance, f"layers/{ONE}.erofs", f"recipes/{ONE}", f"layers/{TWO}", "layers/.new-1.erofs")
    instance.store = Store(layers=digests(ONE), held=digests(TWO))

    assert found(instance) == {}


def test_layers_without_a_record_and_records_without_a_layer_differ(instance: Instance) -> None:
    made(instance, f"layers/{ONE}.erofs", f"recipes/{TWO}")
    instance.store = Store(layers=digests(THREE))

    by_name = found(instance)

    assert {name: d.sort for name, d in by_name.items()} == {
        f"{ONE}.erofs": Sort.LEFTOVER, TWO: Sort.LEFTOVER, THREE: Sort.LOST
    }  # fmt: skip
    assert by_name[THREE].key == f"sha256:{THREE}"
    assert str(by_name[THREE].subject) == "layer sha256:333333333333"


@pytest.mark.parametrize("keeps_others", [False, True])
def test_a_blob_that_no_image_names_is_a_leftover_unless_others_are_kept(
    keeps_others: bool, instance: Instance
) -> None:
    made(instance, *(f"images/blobs/sha256/{name}" for name in (ONE, TWO)))
    instance.store = Store(blobs=digests(ONE), keeps_others=keeps_others)

    assert list(found(instance)) == ([] if keeps_others else [TWO])


def test_a_needed_blob_that_is_gone_is_lost_and_not_mended(instance: Instance) -> None:
    instance.store = Store(blobs=digests(ONE), needed=digests(ONE))

    assert {d.sort: d.repair for d in found(instance).values()} == {Sort.LOST: ""}


@pytest.mark.parametrize(
    "path",
    ["layers/.new-1", "recipes/.trash-1", "containers/.x-1", "images/blobs/sha256/.trash-1",
     "images/layouts/1"],
)  # fmt: skip
def test_temporary_files_of_a_daemon_that_has_ended_are_leftovers(
    path: str, instance: Instance
) -> None:
    made(instance, path)
    changed = (instance.paths.root / path).lstat().st_ctime

    instance.store = Store(began=changed - 1)
    assert found(instance) == {}

    instance.store = Store(began=changed + 1)
    (difference,) = found(instance).values()
    assert (difference.kind, difference.repair) == (images.REMAINS, images.DELETE)
