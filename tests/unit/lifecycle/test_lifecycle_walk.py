"""For any order of writes, the phases of pods and containers only advance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim import lifecycle
from cri_shim.errors import WrongState
from cri_shim.objects import ObjectStore, Record, changed
from cri_shim.pb import state_pb2 as state
from cri_shim.state.memory import MemoryStore
from cri_shim.state.records import VERSIONS
from cri_shim.state.store import Store

UNKNOWN = 99  # a phase of another version
FORGET = None
PHASES = st.one_of(st.integers(0, 7), st.just(UNKNOWN))
WALKS = st.lists(st.one_of(PHASES, st.just(FORGET)), max_size=30)


def _pod(phase: int) -> state.PodRecord:
    return state.PodRecord(version=VERSIONS["pod"], id="x", phase=phase)  # type: ignore[arg-type]


def _container(phase: int) -> state.ContainerRecord:
    version = VERSIONS["container"]
    return state.ContainerRecord(version=version, id="x", phase=phase)  # type: ignore[arg-type]


BOTH = pytest.mark.parametrize(
    ("make", "table"), [(_pod, lifecycle.POD), (_container, lifecycle.CONTAINER)]
)


def _loaded(record: Record) -> ObjectStore:
    """Objects that an earlier daemon left with this record."""
    store = MemoryStore()
    kind = "pod" if isinstance(record, state.PodRecord) else "container"
    store.put(kind, record.id, record.SerializeToString())
    objects = ObjectStore(store)
    objects.load()
    return objects


@BOTH
@given(walk=WALKS)
def test_a_record_is_accepted_only_for_a_move_in_the_table(
    make, table: dict[int | None, set[int]], walk: list[int | None]
) -> None:
    store = MemoryStore()
    objects = ObjectStore(store)
    current: Record | None = None
    for number, phase in enumerate(walk):
        if phase is FORGET:
            if current is not None:
                objects.forget(current)
                current = None
            continue
        record = changed(make(phase), created_at=number)
        now = None if current is None else int(current.phase)
        write = objects.put if number % 2 else objects.observe
        if phase == now or phase in table[now]:
            current = write(record)
        else:
            with pytest.raises(WrongState, match=f"it cannot become {lifecycle.name(record)}$"):
                write(record)
        kind = "pod" if make is _pod else "container"
        found = objects.find_pod("x") if make is _pod else objects.find_container("x")
        assert found == current
        assert store.get(kind, "x") == (None if current is None else current.SerializeToString())


@BOTH
@given(first=PHASES, walk=st.lists(PHASES, max_size=30))
def test_phases_only_advance_from_any_recovered_record(
    make, table: dict[int | None, set[int]], first: int, walk: list[int]
) -> None:
    objects = _loaded(make(first))
    phases = [first]
    for phase in walk:
        try:
            phases.append(objects.put(make(phase)).phase)
        except WrongState:
            continue
    known = [phase for phase in phases if phase in table]
    assert known == sorted(known)


@pytest.mark.parametrize("phase", [*range(8), UNKNOWN])
def test_every_recovered_record_can_be_removed(phase: int) -> None:
    pods, containers = _loaded(_pod(phase)), _loaded(_container(phase))
    pod = pods.observe(changed(pods.pod("x"), phase=state.POD_REMOVING))
    container = changed(containers.container("x"), phase=state.CONTAINER_REMOVING)
    assert pods.pod("x") == pod
    assert containers.observe(container) == containers.container("x")


def test_a_stale_record_does_not_restore_a_removed_object(store: Store) -> None:
    objects = ObjectStore(store)
    making = objects.put(_pod(state.POD_CREATING))
    removing = objects.observe(changed(making, phase=state.POD_REMOVING))
    with pytest.raises(WrongState, match="pod x is removing: it cannot become creating"):
        objects.put(changed(making, created_at=1))
    objects.forget(removing)
    with pytest.raises(WrongState, match="pod x is not there: it cannot become ready"):
        objects.observe(changed(making, phase=state.POD_READY))
    assert objects.pods() == []


def test_several_records_are_accepted_together_or_not_at_all(store: Store) -> None:
    objects = ObjectStore(store)
    pod, container = objects.put(_pod(1)), objects.put(_container(1))
    ready, exited = changed(pod, phase=state.POD_READY), _container(state.CONTAINER_EXITED)
    with pytest.raises(WrongState):
        objects.observe_together([ready, exited])
    assert objects.everything() == ([pod], [container])


@given(phase=PHASES, init=st.booleans(), finished=st.booleans(), paused=st.booleans())
def test_the_predicates_do_not_contradict_each_other(
    phase: int, init: bool, finished: bool, paused: bool
) -> None:
    process = state.Process(pid=1, start_time=1) if init else None
    facts = {"init": process, "finished_at": int(finished), "paused": paused}
    container = changed(_container(phase), **facts)
    assert lifecycle.is_running(container) or not lifecycle.is_paused(container)
    assert not (lifecycle.is_running(container) and lifecycle.is_over(container))
    assert not (lifecycle.has_process(container) and finished)
