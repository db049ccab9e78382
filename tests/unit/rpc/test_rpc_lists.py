"""Lists and statuses as bytes are the same messages as those made from the records."""

from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.containers import query as container_query
from cri_shim.engine import Engine
from cri_shim.objects import ObjectStore
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import query as pod_query
from cri_shim.rpc.lists import Lists
from cri_shim.state.memory import MemoryStore

NAMES = st.sampled_from(["a", "b", "web", "ä", "x" * 300])
LABELS = st.dictionaries(st.sampled_from(["app", "tier"]), NAMES)
IDS = [f"{n:064x}" for n in (1, 2, 0x10, 0x11)]
POD_PHASES = [phase for phase in state.PodPhase.values() if phase]
CONTAINER_PHASES = [phase for phase in state.ContainerPhase.values() if phase]


@dataclass
class Holder:
    """As much of the engine as the lists need."""

    objects: ObjectStore


@st.composite
def pods(draw: st.DrawFn) -> state.PodRecord:
    metadata = api.PodSandboxMetadata(name=draw(NAMES), namespace=draw(NAMES), uid=draw(NAMES))
    config = api.PodSandboxConfig(metadata=metadata, labels=draw(LABELS), annotations=draw(LABELS))
    return state.PodRecord(
        version=1, id=draw(st.sampled_from(IDS)), config=config,
        phase=draw(st.sampled_from(POD_PHASES)), created_at=draw(st.integers(0, 1 << 62)),
        network=state.PodNetwork(ips=draw(st.lists(st.just("10.0.0.1"), max_size=2))),
        stopping=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def containers(draw: st.DrawFn) -> state.ContainerRecord:
    config = api.ContainerConfig(
        metadata=api.ContainerMetadata(name=draw(NAMES)), labels=draw(LABELS),
        image=api.ImageSpec(image=draw(NAMES)),
    )  # fmt: skip
    return state.ContainerRecord(
        version=2, id=draw(st.sampled_from(IDS)), pod_id=draw(st.sampled_from(IDS)), config=config,
        phase=draw(st.sampled_from(CONTAINER_PHASES)), exit_code=draw(st.integers(0, 255)),
        created_at=draw(st.integers(0, 1 << 62)), image_name=draw(NAMES),
    )  # fmt: skip


POD_FILTERS = st.builds(
    api.PodSandboxFilter,
    id=st.sampled_from(["", *IDS, IDS[0][:-1]]),
    state=st.none() | st.builds(api.PodSandboxStateValue, state=st.integers(0, 1)),
    label_selector=LABELS,
)
CONTAINER_FILTERS = st.builds(
    api.ContainerFilter,
    id=st.sampled_from(["", *IDS]),
    pod_sandbox_id=st.sampled_from(["", *IDS]),
    state=st.none() | st.builds(api.ContainerStateValue, state=st.integers(0, 3)),
    label_selector=LABELS,
)


@given(st.lists(pods(), max_size=5), st.lists(containers(), max_size=5), POD_FILTERS,
       CONTAINER_FILTERS)  # fmt: skip
def test_answers_as_bytes_are_the_messages(
    first: list[state.PodRecord],
    second: list[state.ContainerRecord],
    pod_filter: api.PodSandboxFilter,
    container_filter: api.ContainerFilter,
) -> None:
    objects = ObjectStore(MemoryStore())
    lists = Lists(objects)
    for step in (slice(0, 2), slice(2, None)):  # the second time some rows are known
        _replace(objects, first[step], second[step])
        _compare(objects, lists, pod_filter, container_filter)


def _replace(
    objects: ObjectStore, pods: list[state.PodRecord], containers: list[state.ContainerRecord]
) -> None:
    for pod in pods:
        if known := objects.find_pod(pod.id):
            objects.forget(known)
        objects._swap(pod)  # any phase, without the walk that leads to it
    for container in containers:
        if there := objects.find_container(container.id):
            objects.forget(there)
        objects._swap(container)


def _compare(
    objects: ObjectStore,
    lists: Lists,
    pod_filter: api.PodSandboxFilter,
    container_filter: api.ContainerFilter,
) -> None:
    engine = cast("Engine", Holder(objects))
    for pods_wanted in (pod_filter, api.PodSandboxFilter()):
        raw = lists.pods(pods_wanted).SerializeToString()
        assert api.ListPodSandboxResponse.FromString(raw) == api.ListPodSandboxResponse(
            items=pod_query.listed(engine, pods_wanted)
        )
    for wanted in (container_filter, api.ContainerFilter()):
        raw = lists.containers(wanted).SerializeToString()
        assert api.ListContainersResponse.FromString(raw) == api.ListContainersResponse(
            containers=container_query.listed(engine, wanted)
        )
    for pod in objects.pods():
        raw = lists.pod_status(pod).SerializeToString()
        statuses = map(container_query.status, pod_query.containers(objects, pod.id))
        assert api.PodSandboxStatusResponse.FromString(raw) == api.PodSandboxStatusResponse(
            status=pod_query.status(pod), containers_statuses=statuses
        )
    for container in objects.containers():
        raw = lists.container_status(container).SerializeToString()
        assert api.ContainerStatusResponse.FromString(raw) == api.ContainerStatusResponse(
            status=container_query.status(container)
        )


def test_a_bad_record_is_left_out_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(pod: state.PodRecord) -> api.PodSandbox:
        if pod.id == "bad":
            raise ValueError("no such state")
        return api.PodSandbox(id=pod.id)

    monkeypatch.setattr(pod_query, "row", made)
    objects = ObjectStore(MemoryStore())
    for id in ("bad", "good"):
        objects.put(state.PodRecord(version=1, id=id, phase=state.POD_CREATING))
        objects._swap(state.PodRecord(version=1, id=id, phase=state.POD_READY))
    raw = Lists(objects).pods(api.PodSandboxFilter()).SerializeToString()
    answer = api.ListPodSandboxResponse.FromString(raw)
    assert [pod.id for pod in answer.items] == ["good"]
