"""What a container and its node allow, for adjustments; and the errors that name a plugin."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cri_shim.errors import ToolFailed
from cri_shim.nri.owners import Owners
from cri_shim.spec.host import Host
from cri_shim.untrusted import printable


@dataclass(frozen=True, slots=True)
class MountFacts:
    """What is known of an added mount."""

    destination: str  # without the image's symbolic links
    shared: bool = False  # its source is on a shared mount
    slave: bool = False  # or on a slave one


@dataclass(frozen=True, slots=True)
class Refusing:
    """A container whose fields plugins have set, and its node."""

    id: str  # of the container
    owners: Owners
    host: Host

    def refused(self, field: str, key: str | None, problem: str) -> ToolFailed:
        """Return the error for a field, or the entry `key` of one, that is refused."""
        owner = self.owners.of(self.id, field, key) or self.owners.of(self.id, field)
        what = field if key is None else f"{field} {printable(key, 200)}"
        owner = owner.removeprefix("-") or "unknown"
        return ToolFailed(f"NRI plugin {owner} sets {what}, which is refused: {problem}")


@dataclass(frozen=True, slots=True)
class Facts(Refusing):
    """The facts on which the adjustments of a new container depend."""

    mounts: Mapping[str, MountFacts]  # by the destination that a plugin gave
    check_sysctl: Callable[[str, str], None]  # InvalidArgument for a parameter of the whole node
    cgroups_path: str  # the container's own
    selinux: bool = False
    resctrl: bool = False  # the node has cache and bandwidth classes
