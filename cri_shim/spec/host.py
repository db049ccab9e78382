"""What the host can do and has, as values: gathered by the caller, once or per container."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostDevice:
    """A device node to appear in a container: `path` is the container's, the rest is the host's."""

    path: str
    type: str  # "c", "b" or "p"
    major: int
    minor: int
    mode: int = 0o666  # permission bits
    uid: int = 0
    gid: int = 0
    access: str = "rwm"  # what the device cgroup allows of it
    source: str = ""  # where it is on the host


@dataclass(frozen=True, slots=True)
class Host:
    """Facts about this host that decide what a document may ask for."""

    cgroup_v2: bool
    bounding: frozenset[str]  # "CAP_NET_ADMIN", ...: the daemon's own bounding set
    can_raise: bool = True  # CAP_SYS_RESOURCE: may an oom score be lowered
    oom_score_adj: int = 0  # the daemon's own
    swap_accounting: bool = True  # does the memory controller limit swap
    hugepage_sizes: frozenset[str] = frozenset()  # that the hugetlb controller knows: "2MB", "1GB"
    rootless: bool = False  # we are root of a user namespace only
    limits: bool = True  # there are control groups that we may use
    lacking: frozenset[str] = frozenset()  # but without these controllers
    open_files: tuple[int, int] | None = None  # soft and hard limit of processes; None = inherited
    devices: tuple[HostDevice, ...] = ()  # all of /dev, where a container is privileged
