"""What systemd does with the unit of a container, where its control group is a scope.

At a shutdown of the node systemd sends SIGTERM to all processes of a scope, and SIGKILL after
TimeoutStopUSec, whose default is 90 seconds: a container that ignores SIGTERM, as a first process
without a handler does, would hold up the shutdown for as long. And it limits the number of tasks
by DefaultTasksMax unless it is told another number.
"""

from collections.abc import Mapping

GRACE = "io.kubernetes.pod.terminationGracePeriod"  # the kubelet's annotation, in seconds
DEFAULT_GRACE_S = 10  # where nothing is said, as that of a stop by hand
_INFINITY = 2**64 - 1  # in systemd's numbers
MAX_GRACE_S = 24 * 3600  # a shutdown that waits longer will be ended by a person


def is_scope(cgroups_path: str) -> bool:
    """Whether an OCI cgroupsPath is that of the systemd driver, `slice:prefix:id`."""
    return ":" in cgroups_path


def annotations(cgroups_path: str, asked: Mapping[str, str], pids_limit: int = 0) -> dict[str, str]:
    """The annotations by which an OCI runtime is told properties of the scope.

    `asked` are the container's own, as the kubelet sent them; `pids_limit` is 0 for none. No limit
    is a property, since crun before 1.9 writes a pids.limit of -1 to pids.max as it stands.
    """
    if not is_scope(cgroups_path):
        return {}
    told = {"org.systemd.property.TimeoutStopUSec": f"uint64 {_grace_s(asked) * 1_000_000}"}
    if not pids_limit:
        told["org.systemd.property.TasksMax"] = f"uint64 {_INFINITY}"
    return told


def _grace_s(asked: Mapping[str, str]) -> int:
    """At least a second: systemd takes 0 for no limit at all."""
    value = asked.get(GRACE, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 10):
        return DEFAULT_GRACE_S
    return min(max(int(value), 1), MAX_GRACE_S)
