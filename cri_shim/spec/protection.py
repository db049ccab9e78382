"""What confines a process besides namespaces and capabilities; the caller chooses it.

The node decides which profiles and labels exist. The document gets the complete seccomp filter, and
the names of the AppArmor profile and the SELinux labels.
"""

from dataclasses import dataclass
from typing import Any

from cri_shim.spec.seccomp import Filter


@dataclass(frozen=True, slots=True)
class Protection:
    """The confinement of a process; None and "" mean none."""

    seccomp: Filter | None = None
    apparmor: str = ""  # name of a loaded profile
    process_label: str = ""  # SELinux
    mount_label: str = ""

    def of_process(self) -> dict[str, Any]:
        """Return keys of the document's `process`; an exec has the same as its container."""
        named = {"apparmorProfile": self.apparmor, "selinuxLabel": self.process_label}
        return {key: value for key, value in named.items() if value}

    def of_linux(self) -> dict[str, Any]:
        """Return keys of the document's `linux`."""
        found: dict[str, Any] = {}
        if self.seccomp is not None:
            found["seccomp"] = self.seccomp
        if self.mount_label:
            found["mountLabel"] = self.mount_label
        return found


NONE = Protection()
