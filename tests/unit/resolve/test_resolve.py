"""Pods and containers by what a person calls them."""

import pytest

from cri_shim import resolve
from cri_shim.errors import InvalidArgument, NotFound, WrongNamespace
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
    found = [resolve.pod(objects, each).id for each in ("aa1", "aa", "red/web", "bb1")]
    assert found == ["aa1", "bb2", "aa2", "bb1"]


def test_a_container_is_found_by_a_sufficiently_qualified_name(
    objects: ObjectStore,
) -> None:
    found = [resolve.container(objects, each).id for each in ("log", "web/log", "red/web/main")]
    assert found == ["dd1", "dd1", "cc2"]


@pytest.mark.parametrize("find", [resolve.pod, resolve.container])
def test_an_ambiguous_name_is_refused(find, objects: ObjectStore) -> None:
    with pytest.raises(InvalidArgument, match=r"ambiguous: .*blue/web.*, .*red/web"):
        find(objects, {resolve.pod: "web", resolve.container: "web/main"}[find])


def test_an_object_being_removed_has_no_name(objects: ObjectStore) -> None:
    objects.put(changed(objects.pod("aa1"), phase=state.POD_REMOVING))
    objects.put(changed(objects.container("dd1"), phase=state.CONTAINER_REMOVING))
    assert resolve.pod(objects, "web").id == "aa2"
    for find, name in ((resolve.container, "log"), (resolve.pod, "nobody")):
        with pytest.raises(NotFound, match=f"name or ID {name}"):
            find(objects, name)


def test_a_name_of_another_state_namespace_is_refused_by_that_name(store: Store) -> None:
    blue = ObjectStore(store, "blue")
    blue.put(changed(pod("aa1", "web"), state_namespace="red"))
    with pytest.raises(WrongNamespace, match="belongs to the state namespace 'red'"):
        resolve.pod(blue, "web")


def test_the_error_lists_the_candidates_with_their_ids(objects: ObjectStore) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        resolve.container(objects, "main")
    assert str(refusal.value) == (
        "main is ambiguous: container blue/web/main (cc1), container red/web/main (cc2)"
    )


def test_the_list_of_candidates_is_bounded(objects: ObjectStore) -> None:
    for number in range(30):
        objects.put(pod(f"f{number:02}", "many", f"n{number}"))
    with pytest.raises(InvalidArgument, match=r"and 20 more$"):
        resolve.pod(objects, "many")


def test_a_pod_with_one_container_stands_for_it(objects: ObjectStore) -> None:
    found = [resolve.container(objects, word).id for word in ("red/web", "aa2")]
    assert found == ["cc2", "cc2"]
    with pytest.raises(InvalidArgument, match="pod blue/web has 2 containers, name one of them: "):
        resolve.container(objects, "blue/web")
    objects.put(pod("ee1", "empty"))
    with pytest.raises(NotFound, match="pod blue/empty has no container"):
        resolve.container(objects, "empty")


def test_a_container_wins_over_a_pod_of_the_same_name_where_a_container_is_meant(
    objects: ObjectStore,
) -> None:
    objects.put(pod("ee1", "log"))
    assert resolve.container(objects, "log").id == "dd1"
    with pytest.raises(InvalidArgument, match=r"pod blue/log .* container blue/web/log"):
        resolve.either(objects, "log")


def test_either_kind_is_found_by_name_id_and_prefix(objects: ObjectStore) -> None:
    words = ("aa1", "red/web", "red/web/main", "log", "dd")
    found = [resolve.either(objects, word).id for word in words]
    assert found == ["aa1", "aa2", "cc2", "dd1", "dd1"]
    with pytest.raises(NotFound, match="no pod or container with name or ID x"):
        resolve.either(objects, "x")


def test_an_empty_word_finds_nothing(objects: ObjectStore) -> None:
    with pytest.raises(InvalidArgument, match="is empty"):
        resolve.either(objects, "")


def test_a_full_name_finds_its_object_again(objects: ObjectStore) -> None:
    pods, containers = objects.everything()
    for pod in pods:
        assert resolve.either(objects, resolve.name(objects, pod)) == pod
    for container in containers:
        assert resolve.either(objects, resolve.name(objects, container)) == container


def test_a_name_means_its_newest_instance_and_each_id_its_own(objects: ObjectStore) -> None:
    again = container("cc7", "aa2", "main")
    again.config.metadata.attempt = 1
    objects.put(again)
    found = [resolve.container(objects, word).id for word in ("red/web/main", "red/web", "cc2")]
    assert found == ["cc7", "cc7", "cc2"]
    later = pod("bb9", "web", "red")
    later.created_at = 5
    objects.put(later)
    assert resolve.pod(objects, "red/web").id == "bb9"


def test_a_pod_is_found_where_a_container_or_a_whole_pod_is_meant(objects: ObjectStore) -> None:
    found = [resolve.container_or_pod(objects, word).id for word in ("blue/web", "log", "cc1")]
    assert found == ["aa1", "dd1", "cc1"]
