"""Limits of a running container that OCI runtimes do not change correctly.

On cgroup v1 crun up to 1.8 writes a CPU quota of -1 as a huge number, which the kernel refuses.
runc's `update` ignores huge pages, and restores the limit with which it made the container.
"""

from contextlib import suppress

from cri_shim.isolation.cgroup_files import keyed, read
from cri_shim.isolation.control_groups import ControlGroups

UNLIMITED = -1
_V1_QUOTA = "cpu.cfs_quota_us"


def lift_cpu_quota(cgroups: ControlGroups, oci_path: str) -> bool:
    """Lift the CPU quota; False on v2, where OCI runtimes do it correctly. Raises OSError."""
    file = cgroups.file(oci_path, "cpu", _V1_QUOTA, "cpu.max")
    if file is None or file.name != _V1_QUOTA:
        return False
    file.write_text(str(UNLIMITED))
    return True


def limit_hugepages(cgroups: ControlGroups, oci_path: str, size: str, limit: int) -> None:
    """Limit the group to `limit` bytes of huge pages of a size such as 2MB. Raises OSError.

    Reservations count as well: a program that can reserve pages expects to get them. EBUSY: more
    pages are in use now.
    """
    for kind in (f"hugetlb.{size}.rsvd", f"hugetlb.{size}"):
        file = cgroups.file(oci_path, "hugetlb", f"{kind}.limit_in_bytes", f"{kind}.max")
        if file is None:
            raise FileNotFoundError(f"no hugetlb controller is mounted to limit {size} pages with")
        if kind.endswith("rsvd"):
            with suppress(FileNotFoundError):  # Linux before 5.7
                file.write_text(str(limit))
        else:
            file.write_text(str(limit))


def needed_memory(cgroups: ControlGroups, oci_path: str) -> int:
    """Return the group's bytes without file pages, which the kernel can drop; 0 if not known."""
    usage = cgroups.memory_usage(oci_path)
    file = cgroups.file(oci_path, "memory", "memory.stat", "memory.stat")
    if usage is None or file is None:
        return 0
    counts = keyed(read(str(file)))
    whole = "total_" if "total_inactive_file" in counts else ""  # v1: includes the groups below
    droppable = (counts.get(f"{whole}{kind}_file", 0) for kind in ("active", "inactive"))
    return max(0, usage - sum(droppable))
