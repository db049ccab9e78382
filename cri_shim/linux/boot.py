"""Which boot of the machine this is: pids, mounts and namespaces do not outlive one."""

import os
from pathlib import Path

# Tests name a file of their own: another boot, as far as we are concerned, without a reboot.
_SOURCE = os.environ.get("CRI_SHIM_BOOT_ID_FILE", "/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """The kernel's random id of this boot."""
    return Path(_SOURCE).read_text().strip()
