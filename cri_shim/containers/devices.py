"""What device nodes are on this host; spec.devices says what becomes of them in a container."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.spec.devices import resolve as resolved
from cri_shim.spec.host import HostDevice

_KINDS = {stat.S_IFCHR: "c", stat.S_IFBLK: "b"}


def resolve(devices: Sequence[api.Device]) -> list[HostDevice]:
    """Each device, symlinks followed; a directory means every device below it (CRI: Device).

    InvalidArgument names the field of one that is not there or is no device.
    """
    found: list[HostDevice] = []
    for n, device in enumerate(devices):
        try:
            source = Path(device.host_path).resolve(strict=True)
            nodes = _below(source) if source.is_dir() else _alone(source)
        except (OSError, RuntimeError) as e:
            raise InvalidArgument(
                f"config.devices[{n}].host_path", f"{device.host_path}: {e}"
            ) from e
        found += resolved(n, device, nodes)
    return found


def of_host() -> tuple[HostDevice, ...]:
    """Every device node of this host now, as a privileged container is given them; may block."""
    return tuple(_below(Path("/dev")).values())


def _alone(path: Path) -> dict[str, HostDevice]:
    node = _node(str(path))
    return {} if node is None else {"": node}


def _below(directory: Path) -> dict[str, HostDevice]:
    nodes = ((path, _node(path)) for path in _files(directory))
    above = len(str(directory)) + 1
    return {path[above:]: node for path, node in nodes if node is not None}


def _files(directory: Path) -> Iterator[str]:
    for where, _, names in os.walk(directory):
        for name in sorted(names):
            yield f"{where}/{name}"


def _node(path: str) -> HostDevice | None:
    facts = os.lstat(path)
    kind = _KINDS.get(stat.S_IFMT(facts.st_mode))
    if kind is None:
        return None
    return HostDevice(
        path=path,
        type=kind,
        major=os.major(facts.st_rdev),
        minor=os.minor(facts.st_rdev),
        mode=stat.S_IMODE(facts.st_mode),
        uid=facts.st_uid,
        gid=facts.st_gid,
        source=path,
    )
