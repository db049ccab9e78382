"""Reads the values of a container for its metrics. Blocking: counts open files one by one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cri_shim.isolation import cgroup_names
from cri_shim.isolation.cgroup_stats import Detail, Meter, Usage
from cri_shim.linux import descriptors, process
from cri_shim.pb import state_pb2 as state


@dataclass(frozen=True, slots=True)
class FileSystem:
    """The file system of the writable layers; sizes in bytes."""

    device: str
    size: int
    inodes: int
    inodes_free: int


@dataclass(frozen=True, slots=True)
class Facts:
    usage: Usage
    detail: Detail
    processes: int
    open_files: int
    sockets: int
    open_files_limit: int | None
    devices: Mapping[str, str]  # MAJOR:MINOR -> /dev/...


def of_container(meter: Meter, container: state.ContainerRecord) -> Facts | None:
    """Return the facts of a container; None if its cgroup is gone."""
    group = cgroup_names.directory(container.cgroups_path)
    usage = meter.usage(group)
    if not usage.known:
        return None
    detail = meter.detail(group)
    pids = meter.processes(group)
    counts = [descriptors.count(pid) for pid in pids]
    devices = {io.device for io in (*detail.block_bytes, *detail.block_operations)}
    return Facts(
        usage=usage,
        detail=detail,
        processes=len(pids),
        open_files=sum(every for every, _ in counts),
        sockets=sum(sockets for _, sockets in counts),
        open_files_limit=_open_files_limit(container.init),
        devices={device: descriptors.device_name(device) for device in devices},
    )


def of_file_system(path: Path) -> FileSystem:
    """Return the facts of the file system at `path`. Raises OSError."""
    device = path.stat().st_dev
    room = os.statvfs(path)
    return FileSystem(
        device=descriptors.device_name(f"{os.major(device)}:{os.minor(device)}"),
        size=room.f_blocks * room.f_frsize,
        inodes=room.f_files,
        inodes_free=room.f_ffree,
    )


def _open_files_limit(init: state.Process) -> int | None:
    limit = descriptors.open_files_limit(init.pid)
    return limit if process.alive(init.pid, init.start_time) else None
