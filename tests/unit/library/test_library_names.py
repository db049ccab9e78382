"""Pods and containers by name, and names for those that were given none."""

import pytest

from cri_shim.errors import InvalidArgument, NotFound, ResourceExhausted, WrongNamespace
from cri_shim.library import names
from cri_shim.objects import ObjectStore, changed
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.state.store import Store


@pytest.fixture
def objects(store: Store) -> ObjectStore:
    """Two pods of one name in two namespaces, each with a container `main`, one with a `log`."""
    made = ObjectStore(store)
    for number, space in (("1", "blue"), ("2", "red")):
        made.put(pod(f"aa{number}", "web", space))
        made.put(container(f"cc{number}", f"aa{number}", "main"))
    made.put(container("dd1", "aa1", "log"))
    return made


def pod(id: str, name: str, namespace: str = "blue") -> state.PodRecord:
    metadata = api.PodSandboxMetadata(name=name, namespace=namespace, uid=id)
    return state.PodRecord(
        id=id, phase=state.POD_CREATING, config=api.PodSandboxConfig(metadata=metadata)
    )


def container(id: str, pod_id: str, name: str) -> state.ContainerRecord:
    config = api.ContainerConfig(metadata=api.ContainerMetadata(name=name))
    return state.ContainerRecord(
        id=id, phase=state.CONTAINER_CREATING, pod_id=pod_id, config=config
    )


def test_a_pod_is_found_by_id_name_and_prefix_in_this_order(objects: ObjectStore) -> None:
    objects.put(pod("bb1", "aa1"))  # its name is another's id
    objects.put(pod("bb2", "aa"))  # or the prefix of one
    found = [names.pod(objects, each).id for each in ("aa1", "aa", "red/web", "bb1")]
    assert found == ["aa1", "bb2", "aa2", "bb1"]


def test_a_container_is_found_by_a_sufficiently_qualified_name(
    objects: ObjectStore,
) -> None:
    found = [names.container(objects, each).id for each in ("log", "web/log", "red/web/main")]
    assert found == ["dd1", "dd1", "cc2"]


@pytest.mark.parametrize("find", [names.pod, names.container])
def test_an_ambiguous_name_is_refused(find, objects: ObjectStore) -> None:
    with pytest.raises(InvalidArgument, match="ambiguous: 2 "):
        find(objects, {names.pod: "web", names.container: "web/main"}[find])


def test_an_object_being_removed_has_no_name(objects: ObjectStore) -> None:
    objects.put(changed(objects.pod("aa1"), phase=state.POD_REMOVING))
    objects.put(changed(objects.container("dd1"), phase=state.CONTAINER_REMOVING))
    assert names.pod(objects, "web").id == "aa2"
    for find, name in ((names.container, "log"), (names.pod, "nobody")):
        with pytest.raises(NotFound, match=f"id or name {name}"):
            find(objects, name)


def test_a_name_of_another_state_namespace_is_refused_by_that_name(store: Store) -> None:
    blue = ObjectStore(store, "blue")
    blue.put(changed(pod("aa1", "web"), state_namespace="red"))
    with pytest.raises(WrongNamespace, match="belongs to the state namespace 'red'"):
        names.pod(blue, "web")


def test_a_generated_name_is_new_among_pods_and_containers(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "ADJECTIVES", ["calm", "keen"])
    monkeypatch.setattr(names, "SURNAMES", ["curie", "gauss"])
    objects.put(pod("bb1", "calm_curie"))
    objects.put(container("cc9", "aa1", "keen_gauss"))
    made = {names.generate(objects), names.generate(objects)}
    assert made == {"calm_gauss", "keen_curie"}
    with pytest.raises(ResourceExhausted, match="every name"):
        names.generate(objects)


def test_generated_names_can_be_those_of_pods() -> None:
    assert len(names.ADJECTIVES) * len(names.SURNAMES) > 5000
    assert all(word.isascii() and word.isalpha() for word in names.ADJECTIVES + names.SURNAMES)
