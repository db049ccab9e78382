"""The known causes of failures on this machine; the report shows them beside the specs.

The first pattern that matches "NAME: REASON" counts.
"""

import re

UNKNOWN = "not found out"

_CAUSES: tuple[tuple[str, str], ...] = (
    (
        "oom_score_adj value .* not equal to expected -|oom_score_adj to be -9",
        "the machine's root lacks CAP_SYS_RESOURCE: no score below its own can be set",
    ),
    (
        "expected hugepages 1, but found 0",
        "the memory of the machine has no free GiB in one piece: no huge page of 1 GiB can be set "
        "aside",
    ),
    (
        "Swap .*expected kubelet to be in healthy state",
        "the kubelet supports LimitedSwap with cgroup v2 alone, and ends",
    ),
    (
        "ImageGarbageCollect .*(RegistryUnavailable|code = NotFound)",
        "it pulls every image that the suite names at its end, also those without a stand-in",
    ),
    (
        "Swap .*failed to execute command",
        "reads the swap limit of the container in a file of cgroup v2",
    ),
    (
        "volume failing to unmount .*BackOff",
        "its NFS server is a public image without a stand-in",
    ),
    (
        "Failed to setup dbus connection",
        "stops the runtime by systemd's own bus, which the machine does not have",
    ),
    (
        "Resize Memory-Backed Volume",
        "the kubelet resizes volumes in memory with cgroup v2 alone",
    ),
    (r"communication: sctp", "the kernel of the machine has no SCTP"),
    (
        "fetched from external credential provider",
        "pulls from a private registry in the internet, with a provider that is not installed",
    ),
    ("ImageID", "asks for a public image by its digest, which its makers alone have"),
    ("dummy1 type dummy", "the kernel of the machine has no dummy network devices"),
    (
        "line 1: /file: Read-only file system",
        "the stand-in for busybox has bash as its shell, which says it in other words",
    ),
    (
        "ContainerMetrics",
        "asks cAdvisor in the kubelet for figures that cgroup v1 does not have; and cAdvisor knows "
        "the names of containers from containerd and CRI-O alone: "
        "the gate PodAndContainerStatsFromCRI has the kubelet ask the runtime",
    ),
    (
        "Summary API .* resource usage through the stats api",
        "asks for pressure (PSI), which cgroup v1 does not have, and for a runtime run by systemd",
    ),
)


def cause(name: str, reason: str) -> str:
    text = f"{name}: {reason}"
    return next((told for pattern, told in _CAUSES if re.search(pattern, text)), UNKNOWN)
