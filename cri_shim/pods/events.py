"""GetContainerEvents: makes events from the changes of the objects.

An event marks a difference between two records of one object. So one place makes all events,
whichever verb, exit or recovery changed the record. A sandbox is reported as a container with the
sandbox's id. A failed create is not reported, neither its beginning nor its end.
"""

import time
from typing import TypeAlias

from cri_shim import lifecycle
from cri_shim.aio.broadcast import Broadcast, Subscription
from cri_shim.containers import query as container_query
from cri_shim.objects import ObjectStore, Record
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import query as pod_query

# Bytes of events that may wait for a subscriber; all pods of a node stopped at once need a tenth.
BEHIND_LIMIT = 8 << 20

Kind: TypeAlias = "api.ContainerEventType.ValueType"


class Events:
    """Follows the objects from `start` to `close`."""

    def __init__(self, objects: ObjectStore, limit: int = BEHIND_LIMIT) -> None:
        self._objects = objects
        self.broadcast = Broadcast[api.ContainerEventResponse](limit, lambda e: e.ByteSize())
        self._unborn: set[str] = set()  # failed creates that are still being undone
        self._last = 0

    def start(self) -> None:
        self._objects.follow(self._changed)

    def end(self) -> None:
        """End every subscription; it still gets its queued events."""
        self.broadcast.close()

    def close(self) -> None:
        self._objects.unfollow(self._changed)
        self.end()

    def subscribe(self) -> Subscription[api.ContainerEventResponse]:
        """Return a subscription to every event from now on."""
        return self.broadcast.subscribe()

    def _changed(self, before: Record | None, after: Record | None) -> None:
        if after is not None and _fails(before, after):
            self._unborn.add(after.id)
        if after is None and before is not None and before.id in self._unborn:
            self._unborn.discard(before.id)
            return
        kinds = crossed(before, after)
        record = after or before
        if not kinds or record is None or not self.broadcast:
            return
        for kind in kinds:
            self.broadcast.publish(self._event(kind, record))

    def _event(self, kind: Kind, record: Record) -> api.ContainerEventResponse:
        self._last = max(self._last, time.time_ns())  # never goes back if the clock is set back
        event = api.ContainerEventResponse(
            container_id=record.id, container_event_type=kind, created_at=self._last
        )
        pod = record if isinstance(record, state.PodRecord) else self._pod(record)
        if pod is not None:
            event.pod_sandbox_status.CopyFrom(pod_query.status(pod))
            event.containers_statuses.extend(
                container_query.status(container)
                for container in pod_query.containers(self._objects, pod.id)
            )
        return event

    def _pod(self, container: state.ContainerRecord) -> state.PodRecord | None:
        return self._objects.find_pod(container.pod_id)


def crossed(before: Record | None, after: Record | None) -> list[Kind]:
    """Return the events between two records of one object, in order. None: no such object."""
    if isinstance(before or after, state.PodRecord):
        return _of_pod(
            before if isinstance(before, state.PodRecord) else state.PodRecord(),
            after if isinstance(after, state.PodRecord) else None,
        )
    return _of_container(
        before if isinstance(before, state.ContainerRecord) else state.ContainerRecord(),
        after if isinstance(after, state.ContainerRecord) else None,
    )


def _of_pod(before: state.PodRecord, after: state.PodRecord | None) -> list[Kind]:
    kinds: list[Kind] = []
    ready = after is not None and lifecycle.is_ready(after)
    if ready and before.phase < state.POD_READY:
        kinds += [api.CONTAINER_CREATED_EVENT, api.CONTAINER_STARTED_EVENT]
    if lifecycle.is_ready(before) and not ready:
        kinds.append(api.CONTAINER_STOPPED_EVENT)
    if after is None:
        kinds.append(api.CONTAINER_DELETED_EVENT)
    return kinds


def _of_container(before: state.ContainerRecord, after: state.ContainerRecord | None) -> list[Kind]:
    if after is None:
        unseen = before.started_at and not before.finished_at  # removed before its end was seen
        ended = [api.CONTAINER_STOPPED_EVENT] if unseen else []
        return [*ended, api.CONTAINER_DELETED_EVENT]
    kinds: list[Kind] = []
    if after.phase == state.CONTAINER_CREATED and before.phase < state.CONTAINER_CREATED:
        kinds.append(api.CONTAINER_CREATED_EVENT)
    if before.phase <= state.CONTAINER_STARTING and _has_run(after):
        kinds.append(api.CONTAINER_STARTED_EVENT)
    if after.finished_at and not before.finished_at:
        kinds.append(api.CONTAINER_STOPPED_EVENT)
    return kinds


def _has_run(container: state.ContainerRecord) -> bool:
    """Return whether it has run; a short one may have ended before its start was recorded."""
    if container.phase == state.CONTAINER_EXITED:
        return bool(container.started_at) and container.reason != "StartError"
    return lifecycle.is_running(container)


def _fails(before: Record | None, after: Record) -> bool:
    """Return whether a create is being abandoned."""
    if isinstance(after, state.PodRecord):
        return (
            isinstance(before, state.PodRecord)
            and before.phase == state.POD_CREATING
            and after.phase == state.POD_REMOVING
        )
    return (
        isinstance(before, state.ContainerRecord)
        and before.phase == state.CONTAINER_CREATING
        and after.phase == state.CONTAINER_REMOVING
    )
