"""The lists and statuses that the kubelet asks for every second, as bytes: see `encoded`."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from cri_shim.containers import query as container_query
from cri_shim.objects import ObjectStore
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import query as pod_query
from cri_shim.rpc.encoded import Elements, Encoded
from cri_shim.state import rows

_POD_LIST = api.ListPodSandboxResponse.DESCRIPTOR
_CONTAINER_LIST = api.ListContainersResponse.DESCRIPTOR
_POD_STATUS = api.PodSandboxStatusResponse.DESCRIPTOR
_CONTAINER_STATUS = api.ContainerStatusResponse.DESCRIPTOR

R = TypeVar("R", state.PodRecord, state.ContainerRecord)
F = TypeVar("F", api.PodSandboxFilter, api.ContainerFilter)


class Lists:
    """Answers of ListPodSandbox, ListContainers, PodSandboxStatus and ContainerStatus."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._pods = Elements("pod", _POD_LIST, "items", pod_query.row)
        self._containers = Elements("container", _CONTAINER_LIST, "containers", container_query.row)
        self._pod_statuses = Elements("pod", _POD_STATUS, "status", pod_query.status)
        self._statuses = Elements("container", _CONTAINER_STATUS, "status", container_query.status)
        self._statuses_of_pods = Elements(
            "container", _POD_STATUS, "containers_statuses", container_query.status
        )

    def pods(self, filter: api.PodSandboxFilter) -> Encoded:
        """Return the ListPodSandboxResponse of this filter."""
        pods = self._objects.pods()
        for elements in (self._pods, self._pod_statuses):
            elements.forget_others(len(pods), self._objects.find_pod)
        if not filter.ByteSize():
            return Encoded(self._pods.of_all(p for p in pods if p.phase != state.POD_CREATING))
        return Encoded(self._pods.of_all(_passing("pod", pods, pod_query.is_listed, filter)))

    def containers(self, filter: api.ContainerFilter) -> Encoded:
        """Return the ListContainersResponse of this filter."""
        containers = self._objects.containers()
        for elements in (self._containers, self._statuses, self._statuses_of_pods):
            elements.forget_others(len(containers), self._objects.find_container)
        if not filter.ByteSize():
            present = (c for c in containers if c.phase != state.CONTAINER_CREATING)
            return Encoded(self._containers.of_all(present))
        passing = _passing("container", containers, container_query.is_listed, filter)
        return Encoded(self._containers.of_all(passing))

    def pod_status(self, pod: state.PodRecord) -> Encoded:
        """Return the PodSandboxStatusResponse of a pod, with the statuses of its containers."""
        containers = pod_query.containers(self._objects, pod.id)
        own = self._pod_statuses.of(pod)
        return Encoded([own, *(self._statuses_of_pods.of(each) for each in containers)])

    def container_status(self, container: state.ContainerRecord) -> Encoded:
        """Return the ContainerStatusResponse of a container."""
        return Encoded([self._statuses.of(container)])


def _passing(
    kind: str, records: Iterable[R], passes: Callable[[R, F], bool], filter: F
) -> Iterator[R]:
    for record in records:
        if rows.row(kind, record.id, passes, record, filter):
            yield record
