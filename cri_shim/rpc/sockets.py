"""Where the daemon serves: plain values, without gRPC."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cri_shim.audit.journal import Journal
from cri_shim.rpc.gate import Place
from cri_shim.rpc.peers import Access


@dataclass(frozen=True, slots=True)
class Door:
    """A socket with a role."""

    place: Place
    access: Access


@dataclass(frozen=True, slots=True)
class Sockets:
    """The CRI's socket, those with a role, and a directory for sockets of gRPC's own.

    `journal` is the audit record; `records_exec_sync`: also for the kubelet's probes.
    """

    main: Path
    private: Path
    doors: Sequence[Door] = ()
    journal: Journal | None = None
    records_exec_sync: bool = True
