"""The machine, and the programs that run containers."""

import os
import platform
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cri_shim.config.user import unprivileged_user
from cri_shim.engine import Engine
from cri_shim.oci.program_versions import Inventory
from cri_shim.report.parts import Part, gathered


def parts(engine: Engine, conmon: Path, inventory: Inventory) -> Mapping[str, Part]:
    """Return the parts of `host`. Sizes are in bytes, the uptime is in seconds."""
    handler = engine.oci.handlers.get(engine.oci.default_handler)
    return {
        "hostname": socket.gethostname,
        "kernel": platform.release,
        "os": lambda: "linux",
        "arch": platform.machine,
        "distribution": _distribution,
        "cpus": os.cpu_count,
        "memoryTotal": lambda: _memory("MemTotal"),
        "memoryFree": lambda: _memory("MemFree"),
        "memoryAvailable": lambda: _memory("MemAvailable"),
        "swapTotal": lambda: _memory("SwapTotal"),
        "swapFree": lambda: _memory("SwapFree"),
        "uptime": lambda: float(Path("/proc/uptime").read_text().split()[0]),
        "cgroupVersion": engine.cgroups.version,
        "cgroupManager": lambda: engine.cgroups.driver,
        "rootless": lambda: unprivileged_user() is not None,
        "resourceLimits": lambda: engine.cgroups.problem or "available",
        "idMappings": _id_mappings,
        "ociRuntime": lambda: (
            _program(handler.path, inventory) if handler and handler.is_found else None
        ),
        "conmon": lambda: _program(conmon, inventory),
        "seccompDefault": engine.defaults.seccomp.source,
        "apparmor": engine.profiles.apparmor.enabled,
        "selinux": lambda: engine.profiles.selinux.enabled,
    }


async def _program(path: Path, inventory: Inventory) -> dict[str, Any]:
    return await gathered(
        {
            "path": lambda: str(path),
            "version": lambda: inventory.version(path),
            "package": lambda: inventory.package(path),
        }
    )


def _id_mappings() -> dict[str, list[str]] | None:
    """Return an unprivileged user's mappings from the kernel: inside, outside, count."""
    if unprivileged_user() is None:
        return None
    files = {kind: Path(f"/proc/self/{kind}_map").read_text() for kind in ("uid", "gid")}
    return {k: [" ".join(line.split()) for line in text.splitlines()] for k, text in files.items()}


def _distribution() -> dict[str, str]:
    release = platform.freedesktop_os_release()
    return {"name": release.get("ID", ""), "version": release.get("VERSION_ID", "")}


def _memory(key: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) << 10
    raise OSError(f"/proc/meminfo has no {key}")
