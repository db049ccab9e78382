"""The groups of specs that are run separately: their selection, and their kubelet's settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_CONFORMANCE = "NodeConformance && !Flaky"
_BEYOND = "!NodeConformance && !Flaky && !Feature:OffByDefault"
# Specs that test what the kubelet learns from the runtime, and when.
_OF_STATES = (
    "Containers Lifecycle",
    "Container Lifecycle Hook",
    r"\] Pods ",
    "Pods Extended",
    "Probing",
    "MirrorPod",
    "InitContainer",
    "Container Runtime",
    "Deleted pods",
)
_OF_STATS = ("Summary API", "ContainerMetrics", "ResourceMetricsAPI")


@dataclass(frozen=True, slots=True)
class Group:
    """`labels` is ginkgo's label filter; `gates` are set for the kubelet and the suite.

    `proxy`: the suite runs a proxy between kubelet and runtime, to make calls fail.
    """

    name: str
    title: str
    labels: str
    focus: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    gates: Mapping[str, bool] = field(default_factory=dict)
    proxy: bool = False


_ALL = (
    Group(
        "conformance",
        "NodeConformance",
        f"{_CONFORMANCE} && !Serial && !Slow",
    ),
    Group("conformance-slow", "NodeConformance, slow", f"{_CONFORMANCE} && !Serial && Slow"),
    Group("conformance-serial", "NodeConformance, serial", f"{_CONFORMANCE} && Serial"),
    Group(
        "features",
        "Features beyond",
        f"{_BEYOND} && !Serial && !Feature:CriProxy && !Feature:StandaloneMode",
        skip=("Lock contention", "KubeletSeparateDiskGC"),
    ),
    Group(
        "restarts",
        "Restarts of kubelet and runtime, log rotation",
        f"{_BEYOND} && Serial && !Feature:CriProxy",
        focus=(
            r"\] Restart ",
            "ContainerLogRotation",
            "RestartAllContainersWithKubeletRestarts",
            "Not Change Container Status",
            "Unknown Pods",
            r"Kubelet Config ",
        ),
    ),
    Group(
        "credentials",
        "Check of image credentials",
        f"{_BEYOND} && FeatureGate:KubeletEnsureSecretPulledImages",
    ),
    Group(
        "devices",
        "Device plugins and resource managers",
        f"{_BEYOND} && Serial && (Feature:DevicePlugin || Feature:TopologyManager "
        "|| Feature:MemoryManager || Feature:PodResourcesAPI)",
    ),
    Group(
        "isolation",
        "User namespaces, seccomp, swap, resources",
        f"{_BEYOND} && Serial && !Feature:Eviction && !Feature:CPUManager",
        focus=(
            "user namespaces",
            "SeccompDefault",
            "Swap",
            "HugePages",
            "PodPidsLimit",
            "Node Container Manager",
            "Container Manager Misc",
            "CriticalPod",
            "Cgroup",
            "Kubelet Pods API",
        ),
        skip=("Feature:CriProxy",),
    ),
    Group(
        "proxy",
        "Calls that fail on the way to the runtime",
        "Feature:CriProxy && !Flaky",
        gates={
            "CRIListStreaming": True,
            "ImageVolumeWithDigest": True,
            "InPlacePodVerticalScalingMemoryBackedVolumes": True,
        },
        proxy=True,
    ),
    Group(
        "evented-pleg",
        "Evented PLEG",
        f"{_CONFORMANCE} && !Serial && !Slow",
        focus=_OF_STATES,
        gates={"EventedPLEG": True},
    ),
    Group(
        "list-streaming",
        "Lists as streams",
        f"{_CONFORMANCE} && !Serial && !Slow",
        focus=_OF_STATES,
        gates={"CRIListStreaming": True},
    ),
    Group(
        "cri-stats",
        "Stats from the CRI",
        "!Flaky && !Feature:OffByDefault",
        focus=_OF_STATS,
        gates={"PodAndContainerStatsFromCRI": True},
    ),
)

GROUPS: Mapping[str, Group] = {group.name: group for group in _ALL}

NOT_RUN: Mapping[str, str] = {
    "GracefulNodeShutdown": "needs systemd's login manager",
    "Restart, Dbus": "needs systemd's login manager",
    "Eviction": "fills the disk or the memory of the machine that other programs use",
    "Density, Resource-usage, Node Performance": "measure for one kind of machine in a cloud",
    "CPUManager": "most of its specs need more than two CPUs",
    "DynamicResourceAllocation": "its drivers are the suite's own and do not touch the runtime",
    "StandaloneMode, LockContention, KubeletSeparateDiskGC": "need another kind of start",
}
