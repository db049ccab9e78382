"""The interface of a pod's network for the verbs of pods: CNI's or an unprivileged user's."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cri_shim.pb import state_pb2

NOT_READY = "NetworkPluginNotReady"
TURNED_OFF = "NetworkTurnedOff"  # by the configuration


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """The CRI condition NetworkReady; `message` is "" for a ready network.

    `notes`: weaknesses of the network, one sentence each, also while it is ready.
    """

    ready: bool
    reason: str
    message: str
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A network that pods could join."""

    name: str
    source: str  # the file that defines it
    version: str
    plugins: tuple[str, ...]  # their types, in the order of ADD


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks that were found. `default`: the one that pods join now; "" while there is none.

    `problems`: why something that was found does not work, one sentence for each.
    """

    default: str
    usable: Sequence[Listed]
    problems: Sequence[str]


@dataclass(frozen=True, slots=True)
class Attached:
    """A pod's addresses without prefix length, primary first, and the CNI result (JSON).

    `dns`: the addresses for the name servers of the node, if they differ from their own.
    """

    ips: list[str]
    result: bytes
    dns: Sequence[str] = ()


class PodNetwork(Protocol):
    """See `Network` for the effect and the errors of each method."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def limit(self, add: float, delete: float) -> None: ...

    def status(self) -> NetworkStatus: ...

    def networks(self) -> Networks: ...

    def plugins(self) -> dict[str, Path]: ...

    async def set_pod_cidr(self, cidr: str) -> None: ...

    def plan(self, pod: state_pb2.PodRecord) -> list[state_pb2.NetworkAttachment]: ...

    async def attach(self, record: state_pb2.PodRecord) -> Attached: ...

    async def detach(self, record: state_pb2.PodRecord) -> None: ...

    async def gc(self, valid: Callable[[], Iterable[tuple[str, str]]]) -> None: ...

    async def forget(self, pod_id: str) -> None: ...

    def subnets(self) -> list[str]: ...

    async def uninstall(self) -> None: ...
