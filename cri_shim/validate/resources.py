"""Checks of LinuxContainerResources: the kernel's ranges. The kernel itself returns only EINVAL."""

import re

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.validate import fields

UNLIMITED = -1

# Microseconds: the kernel's limits of a period, and the least quota of a period.
LEAST_CPU_PERIOD, GREATEST_CPU_PERIOD = 1_000, 1_000_000
LEAST_CPU_QUOTA = 1_000

_CPUSET = re.compile(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*", re.ASCII)
_PAGE_SIZE = re.compile(r"[1-9]\d*(KB|MB|GB)", re.ASCII)
_UNIFIED_KEY = re.compile(r"[a-z_]+(\.[A-Za-z0-9_-]+)+")


def check_resources(
    at: str, requested: api.LinuxContainerResources, *, update: bool = False
) -> None:
    """Check resources. 0 and empty mean "not given"; an `update` may lift a memory limit by -1."""
    if requested.cpu_period:
        fields.between(
            f"{at}.cpu_period", requested.cpu_period, LEAST_CPU_PERIOD, GREATEST_CPU_PERIOD
        )
    if requested.cpu_quota not in (0, UNLIMITED) and requested.cpu_quota < LEAST_CPU_QUOTA:
        raise InvalidArgument(
            f"{at}.cpu_quota",
            f"{requested.cpu_quota} microseconds; at least {LEAST_CPU_QUOTA}, or -1 for no limit",
        )
    _least(f"{at}.cpu_shares", requested.cpu_shares, 0)
    _memory(at, requested, least=UNLIMITED if update else 0)
    fields.between(f"{at}.oom_score_adj", requested.oom_score_adj, -1000, 1000)
    _cpuset(f"{at}.cpuset_cpus", requested.cpuset_cpus)
    _cpuset(f"{at}.cpuset_mems", requested.cpuset_mems)
    for index, page in enumerate(requested.hugepage_limits):
        if not _PAGE_SIZE.fullmatch(page.page_size):
            raise InvalidArgument(
                f"{at}.hugepage_limits[{index}].page_size",
                f"{page.page_size!r} is not a size such as 2MB or 1GB",
            )
    for key, value in requested.unified.items():
        if not _UNIFIED_KEY.fullmatch(key):
            raise InvalidArgument(f"{at}.unified", f"{key[:80]!r} is not a file of cgroup v2")
        if "\0" in value:
            raise InvalidArgument(f"{at}.unified[{key}]", "has a NUL byte")


def _memory(at: str, requested: api.LinuxContainerResources, *, least: int) -> None:
    """The swap limit is the sum of memory and swap; -1 means unlimited swap."""
    limit, total = requested.memory_limit_in_bytes, requested.memory_swap_limit_in_bytes
    _least(f"{at}.memory_limit_in_bytes", limit, least)
    _least(f"{at}.memory_swap_limit_in_bytes", total, UNLIMITED)
    if 0 < total < limit:
        raise InvalidArgument(
            f"{at}.memory_swap_limit_in_bytes",
            f"{total} is memory and swap together: less than the memory limit {limit}",
        )


def _cpuset(at: str, text: str) -> None:
    """Check numbers and ranges, such as `0-3,7`."""
    if not text:
        return
    if not _CPUSET.fullmatch(text):
        raise InvalidArgument(at, f"{text[:80]!r} is not a list such as 0-3,7")
    for part in text.split(","):
        first, _, last = part.partition("-")
        if last and int(last) < int(first):
            raise InvalidArgument(at, f"the range {part} runs backwards")


def _least(at: str, value: int, least: int) -> None:
    if value < least:
        raise InvalidArgument(at, f"{value} is less than {least}")
