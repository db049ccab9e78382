"""The life of pods and containers: a table of the phases that may follow each phase.

What is not in the table may not happen: the store of objects refuses such a record (`check`), so
that one that was read before its object went on cannot take it back.

    pod          CREATING --> READY --> NOTREADY --> REMOVING --> (forgotten)
                     |          |                       ^
                     +----------+-----------------------+

    container    CREATING --> CREATED --> STARTING --> RUNNING
                     |           |           |            |
                     |           +-----------+------------+--> EXITED
                     |           |           |            |       |
                     +-----------+-----------+------------+-------+--> REMOVING --> (forgotten)

A created container is EXITED without having run when the node was restarted; a starting one when
it could not be started, or when it ended before its start was on record. A record may keep its
phase while its facts change. One of a phase that is not known here, of another version, may end in
every way.
"""

from cri_shim.errors import WrongState
from cri_shim.pb import state_pb2 as state

Record = state.PodRecord | state.ContainerRecord

# By the phase of a record, what may follow it; None: there is no record (yet).
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
    """WrongState if the phase of `after` may not follow that of `before`, None: no record."""
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
    """The phase in a word: creating, ready, running, ..."""
    phases = state.PodPhase if isinstance(record, state.PodRecord) else state.ContainerPhase
    phase = phases.DESCRIPTOR.values_by_number.get(record.phase)
    return str(record.phase) if phase is None else phase.name.partition("_")[2].lower()


def is_ready(pod: state.PodRecord) -> bool:
    """Whether containers can be made and started in it."""
    return pod.phase == state.POD_READY


def has_process(container: state.ContainerRecord) -> bool:
    """Whether there is, as far as is known, a process to stop; also before and after RUNNING."""
    return container.HasField("init") and container.finished_at == 0


def is_running(container: state.ContainerRecord) -> bool:
    """Whether its program was executed and has not ended; also of one that is paused."""
    return container.phase == state.CONTAINER_RUNNING


def is_paused(container: state.ContainerRecord) -> bool:
    return container.phase == state.CONTAINER_RUNNING and container.paused


def is_over(container: state.ContainerRecord) -> bool:
    """Whether it never runs again: it has ended, or is being removed."""
    return container.phase in _GONE
