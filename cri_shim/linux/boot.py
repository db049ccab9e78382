"""Which boot of the machine this is: pids, mounts and namespaces do not outlive one."""

from pathlib import Path


def boot_id() -> str:
    """The kernel's random id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
