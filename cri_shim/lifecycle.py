"""The life of pods and containers: a table of the phases that may follow each phase.

Other changes are refused: the store of objects checks every record (`check`), so that a record that
was read before its object's phase changed cannot set the earlier phase again.

    pod          CREATING --> READY --> NOTREADY --> REMOVING --> (forgotten)
                     |          |                       ^
                     +----------+-----------------------+

    container    CREATING --> CREATED --> STARTING --> RUNNING
                     |           |           |            |
                     |           +-----------+------------+--> EXITED
                     |           |           |            |       |
                     +-----------+-----------+------------+-------+--> REMOVING --> (forgotten)

A created container is EXITED without having run if the node was restarted. A starting one is EXITED
if it could not be started, or if it ended before its start was recorded. A record may keep its
phase while its other fields change. A record with an unknown phase, from another version, may end
in every way.
"""

from cri_shim.errors import WrongState
from cri_shim.pb import state_pb2 as state

Record = state.PodRecord | state.ContainerRecord

# The phases that may follow each phase of a record; None: there is no record (yet).
POD: dict[int | None, set[int]] = {
    None: {state.POD_CREATING},
    state.POD_CREATING: {state.POD_READY, state.POD_REMOVING},
    state.POD_READY: {state.POD_NOTREADY, state.POD_REMOVING},
    state.POD_NOTREADY: {state.POD_REMOVING},
    state.POD_REMOVING: set(),
}
_GONE: set[int] = {state.CONTAINER_EXITED, state.CONTAINER_REMOVING}
CONTAINER: dict[int | None, set[int]] = {
    None: {state.CONTAINER_CREATING},
    state.CONTAINER_CREATING: {state.CONTAINER_CREATED, state.CONTAINER_REMOVING},
    state.CONTAINER_CREATED: {state.CONTAINER_STARTING, *_GONE},
    state.CONTAINER_STARTING: {state.CONTAINER_RUNNING, *_GONE},
    state.CONTAINER_RUNNING: _GONE,
    state.CONTAINER_EXITED: {state.CONTAINER_REMOVING},
    state.CONTAINER_REMOVING: set(),
}


def check(before: Record | None, after: Record) -> None:
    """WrongState if the phase of `after` may not follow that of `before` (None: no record)."""
    now = None if before is None else before.phase
    if isinstance(after, state.PodRecord):
        may = POD.get(now, {state.POD_NOTREADY, state.POD_REMOVING})
    else:
        may = CONTAINER.get(now, _GONE)
    if after.phase != now and after.phase not in may:
        what = "pod" if isinstance(after, state.PodRecord) else "container"
        current = "not there" if before is None else name(before)
        raise WrongState(f"{what} {after.id} is {current}: it cannot become {name(after)}")


def name(record: Record) -> str:
    """Return the phase as a word: creating, ready, running, ..."""
    phases = state.PodPhase if isinstance(record, state.PodRecord) else state.ContainerPhase
    phase = phases.DESCRIPTOR.values_by_number.get(record.phase)
    return str(record.phase) if phase is None else phase.name.partition("_")[2].lower()


def is_ready(pod: state.PodRecord) -> bool:
    """Whether containers can be created and started in it."""
    return pod.phase == state.POD_READY


def has_process(container: state.ContainerRecord) -> bool:
    """Whether a process to stop is known; it may be so before and after RUNNING, too."""
    return container.HasField("init") and container.finished_at == 0


def is_running(container: state.ContainerRecord) -> bool:
    """Whether its program was executed and has not ended; a paused one counts, too."""
    return container.phase == state.CONTAINER_RUNNING


def is_paused(container: state.ContainerRecord) -> bool:
    return container.phase == state.CONTAINER_RUNNING and container.paused


def is_over(container: state.ContainerRecord) -> bool:
    """Whether it never runs again: it has ended, or is being removed."""
    return container.phase in _GONE
