"""The lists and statuses that the kubelet asks for every second, as bytes: see `encoded`."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from cri_shim.containers import query as container_query
from cri_shim.objects import ObjectStore
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import query as pod_query
from cri_shim.rpc.encoded import Elements, Encoded, tag
from cri_shim.state import rows

_PODS = tag(api.ListPodSandboxResponse.DESCRIPTOR, "items")
_CONTAINERS = tag(api.ListContainersResponse.DESCRIPTOR, "containers")
_POD_STATUS = tag(api.PodSandboxStatusResponse.DESCRIPTOR, "status")
_STATUSES_OF_POD = tag(api.PodSandboxStatusResponse.DESCRIPTOR, "containers_statuses")
_CONTAINER_STATUS = tag(api.ContainerStatusResponse.DESCRIPTOR, "status")

R = TypeVar("R", state.PodRecord, state.ContainerRecord)
F = TypeVar("F", api.PodSandboxFilter, api.ContainerFilter)


class Lists:
    """Answers of ListPodSandbox, ListContainers, PodSandboxStatus and ContainerStatus."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._pods = Elements("pod", pod_query.row)
        self._containers = Elements("container", container_query.row)
        self._pod_statuses = Elements("pod", pod_query.status)
        self._statuses = Elements("container", container_query.status)

    def pods(self, filter: api.PodSandboxFilter) -> Encoded:
        """Return the ListPodSandboxResponse of this filter."""
        pods = self._objects.pods()
        for elements in (self._pods, self._pod_statuses):
            elements.forget_others(len(pods), self._objects.find_pod)
        passing: Iterable[state.PodRecord]
        if filter.ByteSize():
            passing = _passing("pod", pods, pod_query.is_listed, filter)
        else:
            passing = (pod for pod in pods if pod.phase != state.POD_CREATING)
        return Encoded((_PODS, self._pods.of_all(passing)))

    def containers(self, filter: api.ContainerFilter) -> Encoded:
        """Return the ListContainersResponse of this filter."""
        containers = self._objects.containers()
        for elements in (self._containers, self._statuses):
            elements.forget_others(len(containers), self._objects.find_container)
        passing: Iterable[state.ContainerRecord]
        if filter.ByteSize():
            passing = _passing("container", containers, container_query.is_listed, filter)
        else:
            passing = (c for c in containers if c.phase != state.CONTAINER_CREATING)
        return Encoded((_CONTAINERS, self._containers.of_all(passing)))

    def pod_status(self, pod: state.PodRecord) -> Encoded:
        """Return the PodSandboxStatusResponse of a pod, with the statuses of its containers."""
        containers = pod_query.containers(self._objects, pod.id)
        return Encoded(
            (_POD_STATUS, [self._pod_statuses.of(pod)]),
            (_STATUSES_OF_POD, [self._statuses.of(container) for container in containers]),
        )

    def container_status(self, container: state.ContainerRecord) -> Encoded:
        """Return the ContainerStatusResponse of a container."""
        return Encoded((_CONTAINER_STATUS, [self._statuses.of(container)]))


def _passing(
    kind: str, records: Iterable[R], passes: Callable[[R, F], bool], filter: F
) -> Iterator[R]:
    for record in records:
        if rows.row(kind, record.id, passes, record, filter):
            yield record
