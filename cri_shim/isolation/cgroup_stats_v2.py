"""Reads a group's usage from cgroup v2: one tree; a file exists if its controller is enabled."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from cri_shim.isolation import cgroup_files, hierarchies
from cri_shim.isolation.cgroup_files import BlockIo
from cri_shim.isolation.cgroup_stats import Detail, HugePages, Memory, Swap, Usage

_CRUN_INNER = "container"


class MeterV2:
    def __init__(self, mount: str) -> None:
        self._mount = mount

    def usage(self, group: str) -> Usage:
        cpu = cgroup_files.keyed(self._read(group, "cpu.stat"))
        return Usage(
            at=time.time_ns(),
            cpu_ns=_from_us(cpu.get("usage_usec")),
            memory=self._memory(group),
            swap=self._swap(group),
            cpu_pressure=cgroup_files.pressure(self._read(group, "cpu.pressure")),
            memory_pressure=cgroup_files.pressure(self._read(group, "memory.pressure")),
            io_pressure=cgroup_files.pressure(self._read(group, "io.pressure")),
        )

    def detail(self, group: str) -> Detail:
        cpu = cgroup_files.keyed(self._read(group, "cpu.stat"))
        stat = cgroup_files.keyed(self._read(group, "memory.stat"))
        events = cgroup_files.keyed(self._read(group, "memory.events"))
        io = self._read(group, "io.stat")
        peak = cgroup_files.number(self._read(group, "memory.peak"))  # Linux 5.19
        if peak is None:
            peak = cgroup_files.number(self._read(group, "memory.current"))
        return Detail(
            user_ns=_from_us(cpu.get("user_usec")),
            system_ns=_from_us(cpu.get("system_usec")),
            periods=cpu.get("nr_periods"),
            throttled_periods=cpu.get("nr_throttled"),
            throttled_ns=_from_us(cpu.get("throttled_usec")),
            cache=stat.get("file"),
            mapped=stat.get("file_mapped"),
            kernel=_kernel(stat),
            fail_count=events.get("max"),
            max_usage=peak,
            own_faults=stat.get("pgfault"),  # v2 counts only hierarchically
            own_major_faults=stat.get("pgmajfault"),
            oom_kills=events.get("oom_kill"),
            threads=self.threads(group),
            threads_max=cgroup_files.number(self._read(group, "pids.max")),
            block_bytes=list(cgroup_files.block_v2(io, "bytes")),
            block_operations=list(cgroup_files.block_v2(io, "operations")),
            huge_pages=self._huge_pages(group),
        )

    def block_bytes(self, group: str) -> list[BlockIo] | None:
        text = self._read(group, "io.stat")
        return None if text is None else list(cgroup_files.block_v2(text, "bytes"))

    def threads(self, group: str) -> int | None:
        if (current := cgroup_files.number(self._read(group, "pids.current"))) is not None:
            return current
        tasks = self._read(group, "cgroup.threads")
        return None if tasks is None else len(tasks.split())

    def processes(self, group: str) -> list[int]:
        return sorted(hierarchies.processes(Path(self._mount, group)))

    def _memory(self, group: str) -> Memory | None:
        usage = cgroup_files.number(self._read(group, "memory.current"))
        if usage is None:
            return None
        stat = cgroup_files.keyed(self._read(group, "memory.stat"))
        return Memory(
            usage=usage,
            inactive_file=stat.get("inactive_file", 0),
            rss=stat.get("anon", 0),
            faults=stat.get("pgfault", 0),
            major_faults=stat.get("pgmajfault", 0),
            limit=self._limit(group, "memory.max"),
        )

    def _swap(self, group: str) -> Swap | None:
        used = cgroup_files.number(self._read(group, "memory.swap.current"))
        if used is None:
            return None
        limit = self._limit(group, "memory.swap.max")
        return Swap(used, None if limit is None else max(0, limit - used))

    def _limit(self, group: str, name: str) -> int | None:
        """Return the least limit that holds for its processes; None if there is none.

        With the systemd driver crun sets limits on a group below the scope. Its limit of swap is
        the right one: the scope's is the limit of memory and swap together.
        """
        paths = (f"{self._mount}/{group}/{name}", f"{self._mount}/{group}/{_CRUN_INNER}/{name}")
        limits = [
            limit for p in paths if (limit := cgroup_files.number(cgroup_files.read(p))) is not None
        ]
        return min(limits, default=None)

    def _huge_pages(self, group: str) -> list[HugePages]:
        try:
            names = os.listdir(f"{self._mount}/{group}")  # noqa: PTH208
        except FileNotFoundError:
            return []
        parts = (name.split(".") for name in names)
        found = []
        for size in sorted(p[1] for p in parts if p[0] == "hugetlb" and p[2:] == ["current"]):
            usage = cgroup_files.number(self._read(group, f"hugetlb.{size}.current"))
            if usage is not None:
                found.append(HugePages(size, usage, None))
        return found

    def _read(self, group: str, name: str) -> str | None:
        return cgroup_files.read(f"{self._mount}/{group}/{name}")


def _from_us(value: int | None) -> int | None:
    return None if value is None else value * 1000


def _kernel(stat: Mapping[str, int]) -> int | None:
    """Return "kernel", which exists since Linux 5.18; before, the sum of its larger parts."""
    if "kernel" in stat or not stat:
        return stat.get("kernel")
    return sum(stat.get(part, 0) for part in ("slab", "kernel_stack", "pagetables", "percpu"))
