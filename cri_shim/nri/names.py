"""Names of plugins, and the events that they subscribe to."""

import re

from cri_shim.pb import nri_pb2 as pb

_INDEX = re.compile(r"[0-9]{2}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,200}", re.ASCII)

# The calls of the events, in the order in which an object meets them.
METHODS = {
    "RunPodSandbox": pb.RUN_POD_SANDBOX,
    "UpdatePodSandbox": pb.UPDATE_POD_SANDBOX,
    "PostUpdatePodSandbox": pb.POST_UPDATE_POD_SANDBOX,
    "StopPodSandbox": pb.STOP_POD_SANDBOX,
    "RemovePodSandbox": pb.REMOVE_POD_SANDBOX,
    "CreateContainer": pb.CREATE_CONTAINER,
    "PostCreateContainer": pb.POST_CREATE_CONTAINER,
    "StartContainer": pb.START_CONTAINER,
    "PostStartContainer": pb.POST_START_CONTAINER,
    "UpdateContainer": pb.UPDATE_CONTAINER,
    "PostUpdateContainer": pb.POST_UPDATE_CONTAINER,
    "StopContainer": pb.STOP_CONTAINER,
    "RemoveContainer": pb.REMOVE_CONTAINER,
    "ValidateContainerAdjustment": pb.VALIDATE_CONTAINER_ADJUSTMENT,
}
# Plugins that were made before NRI 0.12 have no call of their own for these: they get StateChange.
BY_STATE_CHANGE = frozenset(METHODS) - {
    "UpdatePodSandbox",
    "CreateContainer",
    "UpdateContainer",
    "StopContainer",
    "ValidateContainerAdjustment",
}
ALL_EVENTS = (1 << (pb.LAST - 1)) - 1


def problem(index: str, name: str) -> str:
    """Return what is wrong with the index or the name of a plugin; "" if nothing is."""
    if not _INDEX.fullmatch(index):
        return f"the index {index[:20]!r} must be two digits"
    if not _NAME.fullmatch(name):
        return f"the name {name[:80]!r} must be of letters, digits and _.+-"
    return ""


def of_file(name: str) -> tuple[str, str] | None:
    """Return index and name of the plugin in a file such as 10-logger; None if it names none."""
    index, _, rest = name.partition("-")
    return None if problem(index, rest) else (index, rest)


def mask(events: int) -> int:
    """Return the subscription that a plugin gave as a mask; ValueError for unknown events.

    Event N is bit N-1; 0 means all events.
    """
    if events & ~ALL_EVENTS:
        raise ValueError(
            f"it subscribes to unknown events ({events & ~ALL_EVENTS & 0xFFFFFFFF:#x})"
        )
    return events or ALL_EVENTS


def subscribes(events: int, method: str) -> bool:
    """Return whether a plugin with this mask gets the event of a call."""
    return bool(events >> (METHODS[method] - 1) & 1)
