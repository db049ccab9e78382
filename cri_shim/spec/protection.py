"""What confines a process besides namespaces and capabilities; the caller chooses it.

The node decides which profiles and labels exist. The document gets the complete seccomp filter, and
the names of the AppArmor profile and the SELinux labels.
"""

from dataclasses import dataclass
from typing import Any

from cri_shim.spec.origins import BUILT_IN, Origins
from cri_shim.spec.seccomp import Filter


@dataclass(frozen=True, slots=True)
class Protection:
    """The confinement of a process; None and "" mean none."""

    seccomp: Filter | None = None
    apparmor: str = ""  # name of a loaded profile
    process_label: str = ""  # SELinux
    mount_label: str = ""
    seccomp_origin: str = BUILT_IN  # see origins
    apparmor_origin: str = BUILT_IN
    label_origin: str = BUILT_IN

    def record(self, origins: Origins) -> None:
        """Record the origins of the keys below."""
        origins.put(self.apparmor_origin, "process", "apparmorProfile")
        origins.put(self.label_origin, "process", "selinuxLabel")
        origins.put(self.label_origin, "linux", "mountLabel")
        origins.put(self.seccomp_origin, "linux", "seccomp")

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
