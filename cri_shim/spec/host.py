"""Abilities and devices of the host, as values; the caller gathers them, once or per container."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HostDevice:
    """A device node for a container: `path` is the container's, the rest is the host's."""

    path: str
    type: str  # "c", "b" or "p"
    major: int
    minor: int
    mode: int = 0o666  # permission bits
    uid: int = 0
    gid: int = 0
    access: str = "rwm"  # the access that the device cgroup allows
    source: str = ""  # its path on the host
    origin: str = field(default="", compare=False)  # see origins


@dataclass(frozen=True, slots=True)
class Host:
    """Facts about this host that limit a document."""

    cgroup_v2: bool
    bounding: frozenset[str]  # "CAP_NET_ADMIN", ...: the daemon's own bounding set
    can_raise: bool = True  # CAP_SYS_RESOURCE: the daemon may lower an oom score
    oom_score_adj: int = 0  # the daemon's own
    swap_accounting: bool = True  # the memory controller can limit swap
    hugepage_sizes: frozenset[str] = frozenset()  # known to the hugetlb controller: "2MB", "1GB"
    rootless: bool = False  # the daemon is root of a user namespace only
    limits: bool = True  # there are cgroups that the daemon may use
    lacking: frozenset[str] = frozenset()  # controllers that these cgroups do not have
    open_files: tuple[int, int] | None = None  # soft and hard limit of processes; None = inherited
    devices: tuple[HostDevice, ...] = ()  # all of /dev, for privileged containers
