"""An element is serialised once for each record; elements of records that are gone are dropped."""

from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.rpc.encoded import LARGEST, Elements, Encoded, tag

made: list[str] = []


def _row(pod: state.PodRecord) -> api.PodSandbox:
    made.append(pod.id)
    return api.PodSandbox(id=pod.id, labels=pod.config.labels)


def _elements() -> Elements[state.PodRecord]:
    made.clear()
    return Elements("pod", _row)


def test_an_element_is_made_once_for_each_state_of_a_record() -> None:
    elements, pod = _elements(), state.PodRecord(id="p")
    assert elements.of(pod) == elements.of(pod)
    assert made == ["p"]
    elements.of(state.PodRecord(id="p"))
    assert made == ["p", "p"]


def test_elements_joined_are_the_response() -> None:
    elements = _elements()
    pods = [state.PodRecord(id=id * 200) for id in "ab"]  # a length of two bytes
    items = tag(api.ListPodSandboxResponse.DESCRIPTOR, "items")
    raw = Encoded((items, elements.of_all(pods))).SerializeToString()
    expected = api.ListPodSandboxResponse(items=[api.PodSandbox(id=pod.id) for pod in pods])
    assert api.ListPodSandboxResponse.FromString(raw) == expected


def test_a_large_element_is_not_kept() -> None:
    elements = _elements()
    config = api.PodSandboxConfig(labels={"long": "x" * LARGEST})
    pod = state.PodRecord(id="p", config=config)
    assert elements.of(pod) == elements.of(pod)
    assert made == ["p", "p"]


def test_elements_of_records_that_are_gone_are_dropped() -> None:
    elements = _elements()
    pods = [state.PodRecord(id=str(n)) for n in range(100)]
    elements.of_all(pods)
    elements.forget_others(1, {"5": pods[5]}.get)
    made.clear()
    elements.of(pods[5])
    elements.of(pods[6])
    assert made == ["6"]
