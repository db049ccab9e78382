"""What the configuration gives to all containers of the node, and to those of a handler."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cri_shim.pb import api_pb2
from cri_shim.spec import capabilities


@dataclass(frozen=True, slots=True)
class NodeDefaults:
    """The defaults of all containers; image and request win where they can say the same."""

    rlimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # RLIMIT_X -> soft, hard
    env: Mapping[str, str] = field(default_factory=dict)
    capabilities: frozenset[str] = capabilities.DEFAULT  # before the request's add and drop
    inheritable: bool = False  # the capabilities are in the inheritable set, too
    devices: tuple[api_pb2.Device, ...] = ()  # of every container
    allowed_devices: frozenset[str] = frozenset()  # that pods may have by an annotation


@dataclass(frozen=True, slots=True)
class HandlerDefaults:
    """The settings of one runtime handler."""

    allowed_annotations: tuple[str, ...] = ()  # of the pod: names, with * for any text
    annotations: Mapping[str, str] = field(default_factory=dict)  # unless the pod has others
    seccomp_profile: str = ""  # file of RuntimeDefault; "" = the node's
    min_memory: int = 0  # bytes; a lower limit is refused
    host_devices: bool = True  # privileged containers get all devices of the node


NONE = NodeDefaults()
NONE_OF_HANDLER = HandlerDefaults()
