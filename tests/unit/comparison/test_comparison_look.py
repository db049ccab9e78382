"""The comparison of all classes: one that fails, and what a change explains."""

from collections.abc import Iterator

import pytest

from cri_shim.activity import Subject
from cri_shim.comparison import (
    changes,
    difference,
    directories,
    look,
    offline,
    ours,
    place,
    processes,
)
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.look import Rules
from cri_shim.comparison.place import Place
from cri_shim.comparison.records import Records, Store
from cri_shim.isolation.no_cgroups import NoCgroups
from cri_shim.linux import boot
from cri_shim.pb import state_pb2 as state
from cri_shim.state import unopened
from tests.unit.comparison.conftest import BOOT, CONTAINER, POD, STRANGER, Instance


def leftover(id: str = STRANGER, kind: str = "directory", key: str = "") -> Difference:
    return Difference(kind, Sort.LEFTOVER, Subject("pod", "", id, id), "/p", "text", key=key)


def test_every_class_is_looked_at(instance: Instance) -> None:
    instance.pod()
    instance.paths.pod(STRANGER).mkdir()
    instance.mount(instance.paths.rootfs("d" * 64))

    found = look.look(instance.place(), instance.records(), Rules())

    assert found.problems == ()
    assert {d.id for d in found.differences} == {STRANGER, "d" * 64}
    assert {d.kind for d in found.differences} <= set(difference.KINDS)


def test_a_class_that_fails_does_not_hide_the_others(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(place: Place, records: Records) -> Iterator[Difference]:
        raise OSError(5, "Input/output error", "/proc")

    monkeypatch.setattr(processes, "find", fail)
    instance.paths.pod(STRANGER).mkdir(parents=True)

    found = look.look(instance.place(), instance.records(), Rules())

    assert [d.id for d in found.differences] == [STRANGER]
    assert found.problems == (
        "processes could not be compared: [Errno 5] Input/output error: '/proc'",
    )


def test_objects_that_changed_during_the_look_are_no_difference(instance: Instance) -> None:
    instance.pod()
    before = instance.records()
    other = state.PodRecord(id=STRANGER)
    made = Records({**before.pods, STRANGER: other}, {}, BOOT)

    def steady(after: Records, *changed: str) -> list[Difference]:
        return list(changes.steady([leftover()], before, after, changed))

    assert steady(before) == [leftover()]
    assert steady(made) == []
    assert steady(before, STRANGER) == []
    assert steady(Records(before.pods, {}, BOOT, busy=frozenset({STRANGER}))) == []


ONE = frozenset({"sha256:1"})
STORES = {"layers": Store(layers=ONE), "held": Store(held=ONE), "blobs": Store(blobs=ONE)}


@pytest.mark.parametrize(
    ("kind", "field"), [("layer", "layers"), ("layer", "held"), ("blob", "blobs")]
)
def test_layers_that_a_pull_brought_meanwhile_are_no_difference(kind: str, field: str) -> None:
    before = Records({}, {}, BOOT, store=Store())
    found = leftover("", kind, key="sha256:1")
    after = Records({}, {}, BOOT, store=STORES[field])

    assert list(changes.steady([found], before, before, ())) == [found]
    assert list(changes.steady([found], before, after, ())) == []


def test_only_what_two_looks_find_is_a_difference() -> None:
    first, second = leftover(), leftover(POD)

    assert changes.common([first], [second]) == []
    assert changes.common([first, second], [second]) == [second]


def test_a_difference_has_json_with_printable_text() -> None:
    odd = Difference(
        "mount", Sort.LOST, Subject("pod", "a/b", POD), "/p\n\x1b", "text", "repair", 5.0
    )

    facts = odd.facts()

    assert facts["object"] == "pod a/b (aaaaaaaaaaaa)"
    assert (facts["class"], facts["sort"], facts["since"]) == ("mount", "lost", 5.0)
    assert facts["path"].isprintable()


def test_records_of_a_daemon_that_ended_leave_out_what_the_next_start_does(
    instance: Instance,
) -> None:
    pods = (
        state.PodRecord(id=POD, phase=state.POD_READY),
        state.PodRecord(id=STRANGER, phase=state.POD_REMOVING),
    )
    ended = state.ContainerRecord(id=CONTAINER, phase=state.CONTAINER_EXITED, pod_id=POD)
    of_removed = state.ContainerRecord(id="d" * 64, phase=state.CONTAINER_CREATED, pod_id=STRANGER)
    found = unopened.Records(pods=pods, containers=(ended, of_removed))

    records = offline.records(found, instance.place())

    assert records.busy == {STRANGER, CONTAINER, "d" * 64}
    assert records.boot_id == boot.boot_id()


def test_without_a_daemon_directories_without_a_state_are_leftovers(instance: Instance) -> None:
    instance.paths.pod(STRANGER).mkdir(parents=True)
    groups = NoCgroups(instance.paths.rootfs)

    _, found = offline.compare(instance.config, instance.paths, groups, [])

    assert [d.repair for d in found.differences] == [directories.REMOVE]


def test_a_place_is_read_with_the_ids_that_are_ours(instance: Instance) -> None:
    (instance.paths.run_root / "logs" / POD).mkdir(parents=True)
    (instance.paths.root / "cni/results").mkdir(parents=True)
    (instance.paths.root / f"cni/results/n-{STRANGER}-eth0").touch()
    groups = NoCgroups(instance.paths.rootfs)

    read = place.read(instance.config, instance.paths, groups)

    assert read.evidence == {POD, STRANGER} == ours.evidence(instance.config)
    assert place.since(instance.top) > 0
    assert place.since(instance.top / "none") == 0
