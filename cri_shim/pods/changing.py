"""The pods that are being made or removed: lists of the CRI leave them out, or show them as ready
or not ready only.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cri_shim.engine import Engine
from cri_shim.pb import state_pb2 as state

_STATES = {state.POD_CREATING: "Creating", state.POD_REMOVING: "Removing"}


@dataclass(frozen=True, slots=True)
class ChangingPod:
    """`waits_for`: what is waited for now; "" between two steps, and before the next try."""

    record: state.PodRecord
    state: str  # Creating or Removing
    waits_for: str


def pods(engine: Engine) -> Iterator[ChangingPod]:
    """Yield them in the order of their making; only those of this state namespace."""
    waits = {operation.subject.id: operation.waits_for for operation in engine.work.operations}
    for record in engine.objects.pods():
        if record.phase in _STATES:
            yield ChangingPod(record, _STATES[record.phase], waits.get(record.id, ""))
