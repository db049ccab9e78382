"""Every RPC of the daemon, and what it can do: pure data, for roles and for the audit record.

A call of the same name in two services is of the same sort. A unit test holds the table complete.
"""

import enum
from collections.abc import Mapping


class Sort(enum.Enum):
    """What a call can do. READ calls change nothing and are not in the audit record."""

    READ = "reads"
    EXEC = "runs commands in containers, and reads or carries their data"
    IMAGE = "changes the images of registries on this node"
    POD = "changes pods and containers"
    NODE = "changes the daemon, or reads and writes files of the node"


_READ = """
    Version Status RuntimeConfig ListPodSandbox PodSandboxStatus ListContainers ContainerStatus
    ContainerStats ListContainerStats PodSandboxStats ListPodSandboxStats GetContainerEvents
    ListMetricDescriptors ListPodSandboxMetrics ListImages ImageStatus ImageFsInfo
    StreamPodSandboxes StreamContainers StreamContainerStats StreamPodSandboxStats
    StreamPodSandboxMetrics StreamImages
    Info Check Config Find WatchPulls InspectImage ImageHistory DiffImage ImageUse DiskUsage
    WaitContainer TopContainer DiffContainer ListChangingPods ListSessions Timeline SlowestPods Load
"""
_EXEC = "Exec Attach PortForward ExecSync CopyFromContainer ExportContainer EndSession"
_IMAGE = "PullImage RemoveImage TagImage UntagImage PruneImages"
_POD = """
    RunPodSandbox StopPodSandbox RemovePodSandbox UpdatePodSandboxResources CreateContainer
    StartContainer StopContainer RemoveContainer UpdateContainerResources ReopenContainerLog
    RunPod DetachPod StartPod PrunePods KillContainer PauseContainer UnpauseContainer
    CheckpointContainer CheckpointPod RestorePod Plan
"""
# Plan makes nothing, but looks at any path of the node for its caller.
# LoadImage and CopyToContainer read any file of the node, SaveImage writes one.
_NODE = """
    UpdateRuntimeConfig SetLogLevel Reload LoadImage SaveImage MountImage UnmountImage
    CommitContainer CopyToContainer
"""
SORTS: Mapping[str, Sort] = {
    verb: sort
    for sort, verbs in (
        (Sort.READ, _READ),
        (Sort.EXEC, _EXEC),
        (Sort.IMAGE, _IMAGE),
        (Sort.POD, _POD),
        (Sort.NODE, _NODE),
    )
    for verb in verbs.split()
}

# The roles of [[sockets]]: what a socket's peers may call.
ROLES: Mapping[str, frozenset[Sort]] = {
    "read-only": frozenset({Sort.READ}),
    "exec": frozenset({Sort.READ, Sort.EXEC}),
    "images": frozenset({Sort.READ, Sort.IMAGE}),
    "full": frozenset(Sort),
    "none": frozenset(),  # only the verbs of the list
}


def of_role(role: str) -> frozenset[str]:
    """Return the verbs of a role."""
    return frozenset(verb for verb, sort in SORTS.items() if sort in ROLES[role])


def changes(verb: str) -> bool:
    """Whether a call changes something or runs a command; an unknown one is assumed to."""
    return SORTS.get(verb, Sort.NODE) is not Sort.READ
