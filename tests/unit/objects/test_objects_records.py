"""Objects by id, prefix, name and namespace, over each kind of store."""

import asyncio
from collections.abc import Sequence

import pytest

from cri_shim.errors import InvalidArgument, NotFound, StateError, Unavailable, WrongNamespace
from cri_shim.objects import ObjectStore, changed, matches, pod_name
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.state.records import VERSIONS
from cri_shim.state.store import Store, Write
from tests.fixtures.objects import put


def pod(
    id: str,
    *,
    namespace: str = "",
    attempt: int = 0,
    phase: state.PodPhase.ValueType = state.POD_CREATING,
) -> state.PodRecord:
    metadata = api.PodSandboxMetadata(name="web", uid="u1", namespace="shop", attempt=attempt)
    return state.PodRecord(
        version=VERSIONS["pod"],
        id=id,
        state_namespace=namespace,
        phase=phase,
        config=api.PodSandboxConfig(metadata=metadata),
    )


def container(id: str, pod_id: str, name: str = "main", layers: tuple[str, ...] = ()):
    config = api.ContainerConfig(metadata=api.ContainerMetadata(name=name))
    return state.ContainerRecord(
        version=VERSIONS["container"],
        id=id,
        pod_id=pod_id,
        phase=state.CONTAINER_CREATING,
        config=config,
        layers=layers,
    )


def full(_batch: Sequence[Write]) -> None:
    raise Unavailable("no space")


def test_a_new_process_finds_the_records_of_the_last_one(store: Store) -> None:
    first = ObjectStore(store)
    first.put(pod("aa11"))
    first.put(container("cc11", "aa11"))
    second = ObjectStore(store)
    second.load()
    assert second.pod("aa11").config.metadata.name == "web"
    assert [c.id for c in second.containers_of("aa11")] == ["cc11"]


def test_a_unique_prefix_finds_and_an_ambiguous_one_is_refused(store: Store) -> None:
    objects = ObjectStore(store)
    objects.put(pod("aa11"))
    objects.put(pod("aa22", attempt=1))
    assert objects.pod("aa1").id == "aa11"
    with pytest.raises(InvalidArgument, match="ambiguous: 2 pods"):
        objects.pod("aa")
    with pytest.raises(NotFound, match="no pod with id bb"):
        objects.pod("bb")


def test_an_exact_id_wins_over_a_longer_one_that_it_begins(store: Store) -> None:
    objects = ObjectStore(store)
    objects.put(pod("aa"))
    objects.put(pod("aa22", attempt=1))
    assert objects.pod("aa").id == "aa"


def test_a_runtime_with_a_namespace_sees_only_its_own(store: Store) -> None:
    everything = ObjectStore(store)
    everything.put(pod("aa11", namespace="blue"))
    everything.put(pod("bb22", namespace="red", attempt=1))
    blue = ObjectStore(store, "blue")
    blue.load()
    assert [p.id for p in blue.pods()] == ["aa11"]
    assert len(everything.pods()) == 2
    with pytest.raises(WrongNamespace, match="belongs to the state namespace 'red'"):
        blue.pod("bb22")


def test_a_pod_that_is_being_removed_frees_its_name(store: Store) -> None:
    objects = ObjectStore(store)
    record = objects.put(pod("aa11"))
    name = pod_name(record.config.metadata)
    assert objects.pod_named(name) == record
    objects.put(changed(record, phase=state.POD_REMOVING))
    assert objects.pod_named(name) is None


def test_layers_of_containers_of_every_namespace_are_held(store: Store) -> None:
    objects = ObjectStore(store, "blue")
    objects.put(container("cc11", "aa11", layers=("sha256:1", "sha256:2")))
    objects.put(container("cc22", "aa11", name="other", layers=("sha256:2",)))
    assert objects.held_layers() == {"sha256:1", "sha256:2"}


def test_a_forgotten_object_is_gone_from_memory_and_store(store: Store) -> None:
    objects = ObjectStore(store)
    objects.put(pod("aa11"))
    objects.put(container("cc11", "aa11"))
    objects.forget(objects.container("cc11"))
    objects.forget(objects.pod("aa11"))
    assert objects.everything() == ([], [])
    assert list(store.items("pod")) == list(store.items("container")) == []


def test_an_intent_that_cannot_be_written_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = ObjectStore(store)
    monkeypatch.setattr(store, "write", full)
    with pytest.raises(Unavailable):
        objects.put(pod("aa11"))
    assert objects.pods() == []


async def test_an_observed_fact_is_visible_on_a_full_disk_and_saved_at_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = ObjectStore(store)
    record = put(objects, changed(container("cc11", "aa11"), phase=state.CONTAINER_RUNNING))
    monkeypatch.setattr(store, "write", full)
    objects.observe(changed(record, phase=state.CONTAINER_EXITED, exit_code=3))
    assert objects.container("cc11").exit_code == 3
    monkeypatch.undo()
    await objects.close()
    again = ObjectStore(store)
    again.load()
    assert again.container("cc11").exit_code == 3


async def test_a_pod_and_its_containers_are_saved_in_one_write(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = ObjectStore(store)
    running = changed(container("cc11", "aa11"), phase=state.CONTAINER_RUNNING)
    ended = [
        changed(put(objects, pod("aa11", phase=state.POD_READY)), phase=state.POD_NOTREADY),
        changed(put(objects, running), phase=state.CONTAINER_EXITED),
    ]
    batches: list[Sequence[Write]] = []
    write = store.write

    def seen(batch: Sequence[Write]) -> None:
        batches.append(batch)
        write(batch)

    monkeypatch.setattr(store, "write", seen)
    objects.observe_together(ended)
    assert [[(kind, id) for kind, id, _ in batch] for batch in batches] == [
        [("pod", "aa11"), ("container", "cc11")]
    ]
    again = ObjectStore(store)
    again.load()
    assert again.everything() == objects.everything() == ([ended[0]], [ended[1]])


async def test_on_a_full_disk_several_facts_are_visible_and_each_is_saved_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = ObjectStore(store)
    monkeypatch.setattr(store, "write", full)
    objects.observe_together([pod("aa11"), container("cc11", "aa11")])
    assert objects.unsaved().keys() == {"save pod aa11", "save container cc11"}
    monkeypatch.undo()
    await objects.close()
    again = ObjectStore(store)
    again.load()
    assert again.everything() == objects.everything()


def test_dependents_of_a_container_are_known_until_they_are_removed(store: Store) -> None:
    objects = ObjectStore(store)
    objects.put(container("cc11", "aa11"))
    user = objects.put(changed(container("cc22", "aa11"), depends_on=["cc11"]))
    assert objects.dependents("cc11") == [user]
    objects.put(changed(user, phase=state.CONTAINER_REMOVING))
    assert objects.dependents("cc11") == objects.dependents("cc22") == []


async def test_until_returns_at_the_awaited_change(store: Store) -> None:
    objects = ObjectStore(store)
    record = put(objects, pod("aa11", phase=state.POD_READY))
    waiting = asyncio.create_task(
        objects.until("aa11", lambda: objects.pod("aa11").phase == state.POD_NOTREADY)
    )
    await asyncio.sleep(0)
    objects.put(changed(record, created_at=5))
    await asyncio.sleep(0)
    assert not waiting.done()
    objects.put(changed(record, phase=state.POD_NOTREADY))
    await asyncio.wait_for(waiting, 1)


def test_a_bad_record_is_set_aside_and_the_others_are_served(store: Store) -> None:
    ObjectStore(store).put(pod("aa11"))
    store.put("pod", "bb22", b"\xff\xff torn")
    store.put("pod", "cc33", pod("other").SerializeToString())
    store.put("pod", "dd44", state.PodRecord(id="dd44").SerializeToString())
    objects = ObjectStore(store)
    objects.load()
    assert [p.id for p in objects.pods()] == ["aa11"]
    aside = {id for id, _ in store.items("quarantine")}
    assert aside == {"pod/bb22", "pod/cc33", "pod/dd44"}


def test_a_record_of_a_newer_version_refuses_to_start(store: Store) -> None:
    store.put("pod", "aa11", state.PodRecord(version=99, id="aa11").SerializeToString())
    with pytest.raises(StateError, match="version 99"):
        ObjectStore(store).load()


def test_changed_returns_a_copy_and_keeps_the_original() -> None:
    record = pod("aa11")
    record.pause.pid = 7
    copy = changed(record, phase=state.POD_NOTREADY, pause=None)
    assert copy.phase == state.POD_NOTREADY
    assert not copy.HasField("pause")
    assert record.pause.pid == 7


def test_every_pair_of_a_selector_must_match() -> None:
    labels = {"a": "1", "b": "2"}
    assert matches(labels.items(), {"a": "1"}.items())
    assert not matches(labels.items(), {"a": "1", "c": "3"}.items())
