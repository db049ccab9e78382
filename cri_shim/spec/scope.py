"""The systemd properties of a container whose cgroup is a scope.

At a shutdown of the node systemd sends SIGTERM to all processes of a scope, and SIGKILL after
TimeoutStopUSec; its default is 90 seconds. A container that ignores SIGTERM delays the shutdown for
that long; so does a first process without a handler. systemd also limits the number of tasks to
DefaultTasksMax unless the scope has a number of its own.
"""

from collections.abc import Mapping

from cri_shim.spec.origins import BUILT_IN, OFF, Origins, cri

GRACE = "io.kubernetes.pod.terminationGracePeriod"  # the kubelet's annotation, in seconds
DEFAULT_GRACE_S = 10  # without an annotation, as for a manual stop
_INFINITY = 2**64 - 1  # in systemd's numbers
MAX_GRACE_S = 24 * 3600  # a person ends a shutdown that waits longer


def is_scope(cgroups_path: str) -> bool:
    """Return whether an OCI cgroupsPath is that of the systemd driver, `slice:prefix:id`."""
    return ":" in cgroups_path


def annotations(
    cgroups_path: str,
    requested: Mapping[str, str],
    pids_limit: int = 0,
    origins: Origins = OFF,
) -> dict[str, str]:
    """Return the annotations that set properties of the scope through the OCI runtime.

    `requested` has the container's own annotations from the kubelet; `pids_limit` is 0 for none. No
    limit is set by a property, because crun before 1.9 writes a pids.limit of -1 to pids.max as
    "-1".
    """
    if not is_scope(cgroups_path):
        return {}
    properties = {
        "org.systemd.property.TimeoutStopUSec": f"uint64 {_grace_s(requested) * 1_000_000}"
    }
    origin = cri(f"config.annotations[{GRACE}]") if GRACE in requested else BUILT_IN
    origins.put(origin, "annotations", "org.systemd.property.TimeoutStopUSec")
    origins.put(BUILT_IN, "annotations", "org.systemd.property.TasksMax")
    if not pids_limit:
        properties["org.systemd.property.TasksMax"] = f"uint64 {_INFINITY}"
    return properties


def _grace_s(requested: Mapping[str, str]) -> int:
    """Return at least one second: 0 means no limit at all for systemd."""
    value = requested.get(GRACE, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 10):
        return DEFAULT_GRACE_S
    return min(max(int(value), 1), MAX_GRACE_S)
