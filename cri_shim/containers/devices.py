"""What the caller's devices are on this host: nodes found, directories walked."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.spec.host import HostDevice

_KINDS = {stat.S_IFCHR: "c", stat.S_IFBLK: "b", stat.S_IFIFO: "p"}


def resolve(devices: Sequence[api.Device]) -> list[HostDevice]:
    """Each device, symlinks followed; a directory means every device below it (CRI: Device).

    InvalidArgument names the field of one that is not there or is no device.
    """
    found: list[HostDevice] = []
    for n, device in enumerate(devices):
        found += _resolve(f"config.devices[{n}].host_path", device)
    return found


def _resolve(field: str, device: api.Device) -> Iterator[HostDevice]:
    target = device.container_path or device.host_path
    access = device.permissions or "rwm"
    try:
        source = Path(device.host_path).resolve(strict=True)
        if not source.is_dir():
            node = _node(source, target, access)
            if node is None:
                raise InvalidArgument(field, f"{device.host_path} is not a device")
            yield node
            return
        for path in _below(source):
            if node := _node(path, str(Path(target) / path.relative_to(source)), access):
                yield node
    except OSError as e:
        raise InvalidArgument(field, f"{device.host_path}: {e.strerror or e}") from e


def _below(directory: Path) -> Iterator[Path]:
    for where, _, names in os.walk(directory):
        for name in sorted(names):
            yield Path(where) / name


def _node(path: Path, target: str, access: str) -> HostDevice | None:
    facts = path.lstat()
    kind = _KINDS.get(stat.S_IFMT(facts.st_mode))
    if kind is None:
        return None
    return HostDevice(
        path=target,
        type=kind,
        major=os.major(facts.st_rdev),
        minor=os.minor(facts.st_rdev),
        mode=stat.S_IMODE(facts.st_mode),
        uid=facts.st_uid,
        gid=facts.st_gid,
        access=access,
    )


def of_host() -> tuple[HostDevice, ...]:
    """Every device node of this host, as a privileged container is given them."""
    nodes = (_node(path, str(path), "rwm") for path in _below(Path("/dev")))
    return tuple(node for node in nodes if node is not None and node.type != "p")
