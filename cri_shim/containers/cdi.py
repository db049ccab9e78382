"""CDI devices of a container: the specifications as they are on this node now, and the nodes.

The directories are read at each use: drivers write files into them just before they are needed, and
few containers ask. A file that is wrong is passed over, unless a device is missed.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any

import yaml

from cri_shim.aio.offload import offload
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.spec import cdi, cdi_file
from cri_shim.spec.document import Document
from cri_shim.spec.host import HostDevice

FILE_LIMIT = 4 << 20  # bytes; the specification of a node full of GPUs has some 100 KiB
_SUFFIXES = (".json", ".yaml", ".yml")
_TYPES = {stat.S_IFCHR: "c", stat.S_IFBLK: "b", stat.S_IFIFO: "p"}


async def apply(on: Engine, config: api.ContainerConfig, document: Document) -> None:
    """Change the document of a container for the CDI devices it asks for, by field or annotation.

    InvalidArgument names the field of a device that is not on this node.
    """
    names = [device.name for device in config.CDI_devices]
    if asked := cdi.names(names, config.annotations):
        edits = await offload(_edits, on.cdi_dirs, asked)
        owner = document["process"]["user"]
        cdi.apply(document, edits, [_on_host(node, owner, asked) for node in edits.nodes])


def _edits(directories: tuple[Path, ...], asked: dict[str, str]) -> cdi.Edits:
    specs: list[cdi.Spec] = []
    problems: list[str] = []
    for priority, directory in enumerate(directories):
        for path in sorted(directory.glob("*")):
            if path.suffix not in _SUFFIXES:
                continue
            try:
                specs.append(cdi_file.parse(_value(path), str(path), priority))
            except (OSError, ValueError, yaml.YAMLError) as e:
                problems.append(f"{path}: {e}")
    return cdi.select(specs, asked, problems)


def _value(path: Path) -> Any:
    with path.open("rb") as file:
        data = file.read(FILE_LIMIT + 1)
    if len(data) > FILE_LIMIT:
        raise ValueError(f"larger than {FILE_LIMIT} bytes")
    return json.loads(data) if path.suffix == ".json" else yaml.safe_load(data)


def _on_host(node: cdi.Node, owner: dict[str, Any], asked: dict[str, str]) -> HostDevice:
    """A node with what its specification left to the host: its number; and to the user: its owner.

    InvalidArgument when the host has no such device.
    """
    kind, major, minor = node.type, node.major, node.minor
    if not kind or (kind != "p" and not major):
        try:
            found = Path(node.host_path).stat()
        except OSError as e:
            problem = f"{node.host_path}: {e.strerror}"
            raise InvalidArgument(next(iter(asked.values())), problem) from e
        actual = _TYPES.get(stat.S_IFMT(found.st_mode), "")
        if not actual or (kind and kind != actual):
            problem = f"{node.host_path} is not the device it is said to be"
            raise InvalidArgument(next(iter(asked.values())), problem)
        kind, major, minor = actual, os.major(found.st_rdev), os.minor(found.st_rdev)
    return HostDevice(
        path=node.path,
        type=kind,
        major=major,
        minor=minor,
        mode=0o666 if node.mode is None else node.mode,
        uid=owner["uid"] if node.uid is None else node.uid,
        gid=owner["gid"] if node.gid is None else node.gid,
        access=node.access,
    )
