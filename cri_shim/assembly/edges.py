"""Makes what the daemon serves with, from the configuration: its sockets and its audit record."""

from pathlib import Path

from cri_shim import ownership, verbs
from cri_shim.aio.offload import offload
from cri_shim.audit.files import Files
from cri_shim.audit.journal import Journal
from cri_shim.audit.writer import Writer
from cri_shim.config import Config
from cri_shim.config.schema import SocketTable
from cri_shim.config.source import place
from cri_shim.errors import StateError
from cri_shim.rpc.gate import Place
from cri_shim.rpc.peers import Access
from cri_shim.rpc.sockets import Door, Sockets

_PRIVATE = "rpc"  # below the run root


async def audit(config: Config) -> Journal | None:
    """Open the audit record; None if none is configured. StateError if it cannot be opened."""
    ours = config.audit
    if not ours.file:
        return None
    file = Path(ours.file)
    where = place(config.origin["audit.file"], "audit.file")
    try:
        if problem := await offload(ownership.of_way, file):
            raise StateError(f"{where}: {problem}")
        files = Files(file, max_size=ours.max_size, max_files=ours.max_files)
        writer = Writer(files, ours.file)
        await writer.start()
    except OSError as e:
        raise StateError(f"{where}: cannot open {file}: {e.strerror}") from e
    return Journal(writer, refuse=ours.on_failure == "refuse")


def sockets(config: Config, journal: Journal | None) -> Sockets:
    """Return where to serve."""
    return Sockets(
        config.server.socket,
        config.server.run_root / _PRIVATE,
        tuple(map(_door, config.sockets)),
        journal,
        config.audit.exec_sync,
    )


def _door(table: SocketTable) -> Door:
    allowed = verbs.of_role(table.role) | frozenset(table.verbs)
    access = Access(table.path, table.role, allowed, frozenset(table.uids), frozenset(table.gids))
    return Door(Place(table.path, int(table.mode, 8), table.owner, table.group), access)
