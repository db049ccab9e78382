"""Names for pods and containers that were given none."""

import pytest

from cri_shim.errors import ResourceExhausted
from cri_shim.library import names
from cri_shim.objects import ObjectStore
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.state.store import Store


@pytest.fixture
def objects(store: Store) -> ObjectStore:
    return ObjectStore(store)


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


def test_a_generated_name_is_new_among_pods_and_containers(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "ADJECTIVES", ["calm", "keen"])
    monkeypatch.setattr(names, "SURNAMES", ["curie", "gauss"])
    objects.put(pod("bb1", "calm_curie"))
    objects.put(container("cc9", "bb1", "keen_gauss"))
    made = {names.generate(objects), names.generate(objects)}
    assert made == {"calm_gauss", "keen_curie"}
    with pytest.raises(ResourceExhausted, match="every name"):
        names.generate(objects)


def test_generated_names_can_be_those_of_pods() -> None:
    assert len(names.ADJECTIVES) * len(names.SURNAMES) > 5000
    assert all(word.isascii() and word.isalpha() for word in names.ADJECTIVES + names.SURNAMES)
