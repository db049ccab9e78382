"""CDI devices of a container: reads the node's CDI specifications and finds the device nodes.

The directories are read at each use, because drivers write files into them just before they are
needed, and few containers ask for CDI devices. An invalid file is skipped; the error for a missing
device names it.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cri_shim.aio import own_process
from cri_shim.aio.offload import offload
from cri_shim.containers.devices import on_host
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.linux import devices
from cri_shim.pb import api_pb2 as api
from cri_shim.spec import cdi, cdi_file, yaml_file
from cri_shim.spec.host import HostDevice
from cri_shim.spec.users import User
from cri_shim.untrusted import names, parse_json, printable, read_file, reason

FILE_LIMIT = 4 << 20  # bytes; the specification of a node full of GPUs has some 100 KiB
_SUFFIXES = (".json", ".yaml", ".yml")


async def find(
    engine: Engine, config: api.ContainerConfig, user: User
) -> tuple[cdi.Edits, list[HostDevice]]:
    """Return the edits for the CDI devices that a container requests, and their device nodes.

    Requests are a field or an annotation. InvalidArgument names the field of a device that is not
    on this node.
    """
    requested = cdi.names([device.name for device in config.CDI_devices], config.annotations)
    return await find_named(engine, requested, user)


async def find_named(
    engine: Engine, requested: dict[str, str], user: User
) -> tuple[cdi.Edits, list[HostDevice]]:
    """Do what `find` does, for devices by name; the values are the fields that request them."""
    if not requested:
        return cdi.NO_EDITS, []
    edits = await offload(_edits, engine.defaults.cdi_dirs, requested)
    nodes = await _on_host(edits.nodes, user, next(iter(requested.values())))
    return edits, [replace(node, origin=edits.origin) for node in nodes]


def _edits(directories: tuple[Path, ...], requested: dict[str, str]) -> cdi.Edits:
    specs: list[cdi.Spec] = []
    problems: list[str] = []
    for priority, directory in enumerate(directories):
        for path in _files(directory, problems):
            try:
                specs.append(cdi_file.parse(_value(path), str(path), priority))
            except (OSError, ValueError) as e:
                problems.append(printable(f"{path}: {reason(e)}"))
    return cdi.select(specs, requested, problems)


def _files(directory: Path, problems: list[str]) -> list[Path]:
    try:
        return [directory / name for name in names(directory, _SUFFIXES)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as e:
        problems.append(f"{directory}: {reason(e)}")
        return []


def _value(path: Path) -> Any:
    data = read_file(path, FILE_LIMIT)
    return parse_json(data) if path.suffix == ".json" else yaml_file.parse(data)


async def _on_host(nodes: Sequence[cdi.Node], owner: User, field: str) -> list[HostDevice]:
    """Complete the nodes from the host and the container's user where the specification is silent.

    InvalidArgument if the host has no such device.
    """
    lacking = [node for node in nodes if not node.type or (node.type != "p" and not node.major)]
    outcomes = await own_process.ask(devices.find, [(node.host_path,) for node in lacking])
    found: dict[str, HostDevice] = {}
    for node, outcome in zip(lacking, outcomes, strict=True):
        if isinstance(outcome, OSError):
            raise InvalidArgument(field, f"{node.host_path}: {outcome.strerror}") from outcome
        actual = outcome.get("")
        if actual is None or (node.type and node.type != actual[1]):
            raise InvalidArgument(field, f"{node.host_path} is not the device it is said to be")
        found[node.host_path] = on_host(actual)
    return [_device(node, found.get(node.host_path), owner) for node in nodes]


def _device(node: cdi.Node, actual: HostDevice | None, owner: User) -> HostDevice:
    return HostDevice(
        path=node.path,
        type=node.type or (actual.type if actual else ""),
        major=actual.major if actual else node.major,
        minor=actual.minor if actual else node.minor,
        mode=0o666 if node.mode is None else node.mode,
        uid=owner.uid if node.uid is None else node.uid,
        gid=owner.gid if node.gid is None else node.gid,
        access=node.access,
        source=node.host_path,
    )
