"""The id of the machine's current boot: pids, mounts and namespaces do not outlive a boot."""

import os
from pathlib import Path

# Tests name a file of their own: for the daemon this is another boot, without a reboot.
_SOURCE = os.environ.get("CRI_SHIM_BOOT_ID_FILE", "/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return the kernel's random id of this boot."""
    return Path(_SOURCE).read_text().strip()
