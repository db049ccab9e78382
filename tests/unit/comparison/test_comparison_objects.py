"""Directories, mounts and pinned namespaces against records: leftovers, lost ones, and neither."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cri_shim.comparison import directories, mounts, names, pins
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.place import Place
from cri_shim.comparison.records import Records, Store
from cri_shim.pb import state_pb2 as state
from tests.unit.comparison.conftest import CONTAINER, POD, STRANGER, Instance

EVERY = [directories.find, mounts.find, pins.find]
Find = Callable[[Place, Records], Iterator[Difference]]


def found(find: Find, instance: Instance, *busy: str) -> list[Difference]:
    return list(find(instance.place(), instance.records(*busy)))


@pytest.mark.parametrize("find", EVERY)
def test_a_ready_pod_with_a_created_container_has_no_difference(
    find: Find, instance: Instance
) -> None:
    instance.pod()
    instance.container()

    assert found(find, instance) == []


@pytest.mark.parametrize("find", EVERY)
def test_nothing_is_said_of_objects_in_hand(find: Find, instance: Instance) -> None:
    instance.pod()
    instance.container()
    instance.mounted.clear()
    for path in (instance.paths.pod(POD), instance.paths.bundle(CONTAINER)):
        shutil.rmtree(path)
    instance.paths.pod(STRANGER).mkdir()
    instance.mount(instance.paths.pod(STRANGER) / "shm")

    assert found(find, instance, POD, CONTAINER, STRANGER) == []


@pytest.mark.parametrize("find", EVERY)
def test_what_is_lost_with_a_reboot_is_no_difference(find: Find, instance: Instance) -> None:
    instance.pod()
    instance.container()
    instance.pods[POD].boot_id = instance.containers[CONTAINER].boot_id = "another"
    instance.mounted.clear()
    shutil.rmtree(instance.paths.pod(POD))

    assert found(find, instance) == []


@pytest.mark.parametrize(
    "place", ["run/pods", "run/containers", "root/containers", "root/logs"], ids=str
)
def test_a_directory_without_a_record_is_a_leftover(place: str, instance: Instance) -> None:
    directory = instance.top / place / STRANGER
    directory.mkdir(parents=True)
    (directory.parent / ".being-deleted").mkdir()

    (difference,) = found(directories.find, instance)

    assert (difference.sort, difference.id) == (Sort.LEFTOVER, STRANGER)
    assert (difference.path, difference.repair) == (str(directory), directories.REMOVE)
    assert difference.since > 0


def test_a_leftover_has_the_name_that_its_document_has(instance: Instance) -> None:
    bundle = instance.paths.bundle(STRANGER)
    bundle.mkdir(parents=True)
    cri = "io.kubernetes.cri"
    annotations = {
        f"{cri}.sandbox-namespace": "shop",
        f"{cri}.sandbox-name": "web",
        f"{cri}.container-name": "main",
    }
    (bundle / "config.json").write_text(json.dumps({"annotations": annotations}))

    (difference,) = found(directories.find, instance)

    assert str(difference.subject) == "container shop/web/main (cccccccccccc)"


@pytest.mark.parametrize("document", ["", "[]", '{"annotations": 1}', '{"annotations": {}}'])
def test_a_document_that_names_nothing_leaves_the_id(document: str, instance: Instance) -> None:
    for where in (instance.paths.bundle(STRANGER), instance.paths.pod(STRANGER) / "pause"):
        where.mkdir(parents=True)
        (where / "config.json").write_text(document)

    assert str(names.of_container(instance.place(), STRANGER)) == "container cccccccccccc"
    assert str(names.of_pod(instance.place(), STRANGER)) == "pod cccccccccccc"


def test_lost_directories_are_given_up_unless_a_process_runs(instance: Instance) -> None:
    instance.pod()
    instance.container()
    instance.container(state.CONTAINER_RUNNING, id="d" * 64)
    instance.containers["d" * 64].init.pid = 1
    for path in (instance.paths.pod(POD), *map(instance.paths.bundle, instance.containers)):
        shutil.rmtree(path)

    repairs = {d.id: d.repair for d in found(directories.find, instance)}

    assert repairs == {POD: directories.NOT_READY, CONTAINER: directories.EXITED, "d" * 64: ""}


def test_mounts_without_a_record_and_of_ended_objects_are_leftovers(instance: Instance) -> None:
    instance.pod(state.POD_NOTREADY)
    instance.container(state.CONTAINER_EXITED)
    logs = instance.paths.run_root / "logs"
    paths = [
        instance.paths.pod(POD) / "shm",
        instance.paths.rootfs(STRANGER),
        logs / CONTAINER,
        logs / STRANGER,
    ]
    for path in [*paths, instance.top / "elsewhere" / STRANGER]:
        instance.mount(path)

    differences = {d.path: d for d in found(mounts.find, instance)}

    assert differences.keys() == {str(path) for path in paths}
    assert {d.kind for path, d in differences.items() if "/logs/" in path} == {mounts.LOG}


def test_the_source_of_a_running_containers_mount_is_a_leftover(instance: Instance) -> None:
    instance.pod()
    instance.container(state.CONTAINER_RUNNING)
    instance.mount(instance.paths.sources(CONTAINER) / "0")

    (difference,) = found(mounts.find, instance)

    assert "the kubelet cannot unmount the volume" in difference.sentence


def test_a_root_file_system_is_mounted_again_only_for_a_created_container(
    instance: Instance,
) -> None:
    instance.pod()
    instance.container()
    instance.container(state.CONTAINER_RUNNING, id="d" * 64)
    instance.mounted = {p: m for p, m in instance.mounted.items() if m.fstype == "nsfs"}

    repairs = {d.id: d.repair for d in found(mounts.find, instance)}

    assert repairs == {CONTAINER: mounts.REMOUNT, "d" * 64: ""}


def test_pins_of_other_instances_are_left_alone(instance: Instance) -> None:
    instance.paths.netns_dir.mkdir()
    instance.paths.netns(STRANGER).touch()

    assert found(pins.find, instance) == []

    (instance.paths.run_root / "oci" / "crun" / STRANGER).mkdir(parents=True)
    (difference,) = found(pins.find, instance)

    assert difference.path == str(instance.paths.netns(STRANGER))


def test_pins_of_a_stopped_pod_are_leftovers_unless_it_is_attached(instance: Instance) -> None:
    instance.pod(state.POD_NOTREADY)
    pin = instance.paths.pin(POD, "ipc")
    instance.mount(pin, "nsfs")
    pins_of = [d.path for d in found(pins.find, instance)]
    instance.pods[POD].network.attachments.add(network="n")

    assert pins_of == [str(pin)]
    assert found(pins.find, instance) == []


def test_a_ready_pod_without_a_namespace_is_lost(instance: Instance) -> None:
    instance.pod()
    del instance.mounted[instance.paths.netns(POD)]

    (difference,) = found(pins.find, instance)

    assert str(difference.subject) == "pod shop/web (aaaaaaaaaaaa)"
    assert (difference.sort, difference.repair) == (Sort.LOST, directories.NOT_READY)


def test_what_the_store_has_mounted_is_known(instance: Instance) -> None:
    layers, images = instance.paths.run_root / "layers", instance.paths.run_root / "images"
    for path in (layers / "one", layers / "two", images / "1" / "tree", images / "2" / "tree"):
        instance.mount(path)
    instance.store = Store(mounts=frozenset({"one"}), images=frozenset({"1"}))

    paths = {Path(d.path) for d in found(mounts.find, instance)}

    assert paths == {layers / "two", images / "2" / "tree"}
