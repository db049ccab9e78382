"""What the node's configuration gives to every container, as values for its document."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cri_shim.spec import capabilities


@dataclass(frozen=True, slots=True)
class NodeDefaults:
    """The defaults of all containers; image and request win where they can say the same."""

    rlimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # RLIMIT_X -> soft, hard
    env: Mapping[str, str] = field(default_factory=dict)
    capabilities: frozenset[str] = capabilities.DEFAULT  # before the request's add and drop
    inheritable: bool = False  # the capabilities are in the inheritable set, too


NONE = NodeDefaults()
