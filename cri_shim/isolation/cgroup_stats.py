"""The usage of a control group, in values that are the same for cgroup v1 and v2.

The kubelet asks for `usage` of every container every ten seconds, so it reads few files. `detail`
has the rest of cAdvisor's values. None means "not known here", as on a kernel without that
controller, and never 0. A Meter keeps where the trees are mounted: use a new one for each call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cri_shim.isolation.cgroup_files import BlockIo, Pressure


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, and numbers of faults, of a group and all groups below it."""

    usage: int
    inactive_file: int
    rss: int
    faults: int
    major_faults: int
    limit: int | None  # None: unlimited

    @property
    def working_set(self) -> int:
        """Usage without inactive file pages, which the kernel can drop."""
        return max(0, self.usage - self.inactive_file)

    @property
    def available(self) -> int | None:
        """The rest of the limit; None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.working_set)


@dataclass(frozen=True, slots=True)
class Swap:
    usage: int
    available: int | None  # None: unlimited


@dataclass(frozen=True, slots=True)
class Usage:
    """One sample of a group."""

    at: int  # nanoseconds since the epoch
    cpu_ns: int | None
    memory: Memory | None
    swap: Swap | None
    cpu_pressure: Pressure | None = None
    memory_pressure: Pressure | None = None
    io_pressure: Pressure | None = None

    @property
    def known(self) -> bool:
        """False if there is no such group: its container has ended."""
        return self.cpu_ns is not None or self.memory is not None


@dataclass(frozen=True, slots=True)
class HugePages:
    size: str  # 2MB, 1GB
    usage: int
    max_usage: int | None


@dataclass(frozen=True, slots=True)
class Detail:
    """The values that Usage does not have. Times in nanoseconds, sizes in bytes."""

    user_ns: int | None
    system_ns: int | None
    periods: int | None
    throttled_periods: int | None
    throttled_ns: int | None
    cache: int | None
    mapped: int | None
    kernel: int | None
    fail_count: int | None  # how often the limit was hit
    max_usage: int | None
    own_faults: int | None  # without the groups below
    own_major_faults: int | None
    oom_kills: int | None
    threads: int | None
    threads_max: int | None  # None: unlimited
    block_bytes: Sequence[BlockIo]
    block_operations: Sequence[BlockIo]
    huge_pages: Sequence[HugePages]


class Meter(Protocol):
    """Reads the usage of a `group`: a path below the trees' roots, see cgroup_names.directory()."""

    def usage(self, group: str) -> Usage: ...

    def detail(self, group: str) -> Detail: ...

    def threads(self, group: str) -> int | None: ...

    def block_bytes(self, group: str) -> Sequence[BlockIo] | None: ...

    def processes(self, group: str) -> list[int]:
        """Return the pids of the group and of those below it."""
        ...
