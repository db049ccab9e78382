"""What confines a process beyond namespaces and capabilities, decided by the caller.

Which profiles and labels there are is the node's business; here they are values that go into the
document: the filter whole, AppArmor and SELinux by name.
"""

from dataclasses import dataclass
from typing import Any

from cri_shim.spec.seccomp import Filter


@dataclass(frozen=True, slots=True)
class Protection:
    """None and "" are for none."""

    seccomp: Filter | None = None
    apparmor: str = ""  # name of a loaded profile
    process_label: str = ""  # SELinux
    mount_label: str = ""

    def of_process(self) -> dict[str, Any]:
        """Keys of the document's `process`: an exec has them as the container itself."""
        named = {"apparmorProfile": self.apparmor, "selinuxLabel": self.process_label}
        return {key: value for key, value in named.items() if value}

    def of_linux(self) -> dict[str, Any]:
        """Keys of the document's `linux`."""
        found: dict[str, Any] = {}
        if self.seccomp is not None:
            found["seccomp"] = self.seccomp
        if self.mount_label:
            found["mountLabel"] = self.mount_label
        return found


NONE = Protection()
