"""Reads a group's usage from cgroup v1: a tree for each controller; a tree may be missing."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from cri_shim.isolation import cgroup_files, hierarchies
from cri_shim.isolation.cgroup_files import BlockIo
from cri_shim.isolation.cgroup_stats import Detail, HugePages, Memory, Swap, Usage

_BLKIO = "blkio.throttle.io_{}_recursive"
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class MeterV1:
    def __init__(self, mounts: Mapping[str, str]) -> None:
        """`mounts`: the mount point of each controller's tree."""
        self._mounts = mounts
        self._page_sizes = _page_sizes(mounts.get("hugetlb"))

    def usage(self, group: str) -> Usage:
        """Read three files: memory.stat also has the limits. v1 has no pressure."""
        stat = cgroup_files.keyed(self._read("memory", group, "memory.stat"))
        return Usage(
            at=time.time_ns(),
            cpu_ns=cgroup_files.number(self._read("cpuacct", group, "cpuacct.usage")),
            memory=_memory(self._read("memory", group, "memory.usage_in_bytes"), stat),
            swap=_swap(stat),
        )

    def detail(self, group: str) -> Detail:
        cpu = cgroup_files.keyed(self._read("cpu", group, "cpu.stat"))
        ticks = cgroup_files.keyed(self._read("cpuacct", group, "cpuacct.stat"))
        stat = cgroup_files.keyed(self._read("memory", group, "memory.stat"))
        oom = cgroup_files.keyed(self._read("memory", group, "memory.oom_control"))
        operations_text = self._read("blkio", group, _BLKIO.format("serviced"))
        return Detail(
            user_ns=_times(ticks.get("user"), _TICK_NS),
            system_ns=_times(ticks.get("system"), _TICK_NS),
            periods=cpu.get("nr_periods"),
            throttled_periods=cpu.get("nr_throttled"),
            throttled_ns=cpu.get("throttled_time"),
            cache=stat.get("total_cache"),
            mapped=stat.get("total_mapped_file"),
            kernel=cgroup_files.number(self._read("memory", group, "memory.kmem.usage_in_bytes")),
            fail_count=cgroup_files.number(self._read("memory", group, "memory.failcnt")),
            max_usage=cgroup_files.number(self._read("memory", group, "memory.max_usage_in_bytes")),
            own_faults=stat.get("pgfault"),
            own_major_faults=stat.get("pgmajfault"),
            oom_kills=oom.get("oom_kill"),
            threads=self.threads(group),
            threads_max=cgroup_files.number(self._read("pids", group, "pids.max")),
            block_bytes=self.block_bytes(group) or [],
            block_operations=list(cgroup_files.block_v1(operations_text)),
            huge_pages=self._huge_pages(group),
        )

    def block_bytes(self, group: str) -> list[BlockIo] | None:
        text = self._read("blkio", group, _BLKIO.format("service_bytes"))
        return None if text is None else list(cgroup_files.block_v1(text))

    def threads(self, group: str) -> int | None:
        """Threads of the group and those below; of the group only without a pids controller."""
        if (current := cgroup_files.number(self._read("pids", group, "pids.current"))) is not None:
            return current
        tasks = self._read("memory", group, "tasks") or self._read("cpuacct", group, "tasks")
        return None if tasks is None else len(tasks.split())

    def processes(self, group: str) -> list[int]:
        # Of the trees that have every container, prefer those with the fewest files to search.
        for controller in ("pids", "cpuacct", "memory"):
            if (mount := self._mounts.get(controller)) is not None:
                return sorted(hierarchies.processes(Path(mount, group)))
        return []

    def _huge_pages(self, group: str) -> list[HugePages]:
        found = []
        for size in self._page_sizes:
            at = f"hugetlb.{size}"
            usage = cgroup_files.number(self._read("hugetlb", group, f"{at}.usage_in_bytes"))
            most = cgroup_files.number(self._read("hugetlb", group, f"{at}.max_usage_in_bytes"))
            if usage is not None:
                found.append(HugePages(size, usage, most))
        return found

    def _read(self, controller: str, group: str, name: str) -> str | None:
        mount = self._mounts.get(controller)
        return None if mount is None else cgroup_files.read(f"{mount}/{group}/{name}")


def _page_sizes(mount: str | None) -> list[str]:
    """Return the page sizes of the controller's files: hugetlb.2MB.usage_in_bytes, ..."""
    if mount is None:
        return []
    names = (name.split(".") for name in os.listdir(mount))  # noqa: PTH208
    return sorted(parts[1] for parts in names if parts[2:] == ["usage_in_bytes"])


def _memory(usage_text: str | None, stat: Mapping[str, int]) -> Memory | None:
    usage = cgroup_files.number(usage_text)
    if usage is None:
        return None
    return Memory(
        usage=usage,
        inactive_file=stat.get("total_inactive_file", 0),
        rss=stat.get("total_rss", 0),
        faults=stat.get("total_pgfault", 0),
        major_faults=stat.get("total_pgmajfault", 0),
        limit=cgroup_files.number(str(stat.get("hierarchical_memory_limit"))),
    )


def _swap(stat: Mapping[str, int]) -> Swap | None:
    """Return None if swap is not accounted. v1 limits memory and swap together."""
    if "hierarchical_memsw_limit" not in stat or "total_swap" not in stat:
        return None
    both = cgroup_files.number(str(stat["hierarchical_memsw_limit"]))
    memory = cgroup_files.number(str(stat.get("hierarchical_memory_limit")))
    used = stat["total_swap"]
    if both is None:
        return Swap(used, None)
    return Swap(used, max(0, both - (memory or 0) - used))


def _times(value: int | None, factor: int) -> int | None:
    return None if value is None else value * factor
