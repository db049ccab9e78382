"""What the runtime tells of itself: the effective configuration, and Info as libpod's was.

A part that cannot be read is shown with its error in its place; it never loses the rest.
"""

import dataclasses
import os
import platform
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cri_shim import __version__
from cri_shim.config import Config
from cri_shim.engine import Engine
from cri_shim.pb import state_pb2 as state


def effective(config: Config) -> dict[str, Any]:
    """The configuration as JSON-able values; `stateDir` is where CRI clients look for it."""
    return {**_plain(config), "stateDir": str(config.server.run_root)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def info(on: Engine, config: Config) -> dict[str, Any]:
    """Host, store, network, handlers and work that is being retried."""
    parts: dict[str, Callable[[], Any]] = {
        "version": lambda: __version__,
        "host": lambda: _host(on),
        "store": lambda: _store(on, config),
        "network": lambda: _network(on),
        "handlers": lambda: _handlers(on),
        "hooks": lambda: _hooks(on),
        "retries": on.retries,
    }
    return {name: _or_error(part) for name, part in parts.items()}


def _or_error(part: Callable[[], Any]) -> Any:
    try:
        return part()
    except Exception as e:
        return {"error": f"{type(e).__name__}: {e}"}


def _host(on: Engine) -> dict[str, Any]:
    memory = dict(
        line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line
    )

    def size(key: str) -> int:
        return int(memory[key].split()[0]) << 10

    return {
        "hostname": socket.gethostname(),
        "kernel": platform.release(),
        "os": "linux",
        "arch": platform.machine(),
        "distribution": _distribution(),
        "cpus": os.cpu_count(),
        "memoryTotal": size("MemTotal"),
        "memoryFree": size("MemFree"),
        "swapTotal": size("SwapTotal"),
        "swapFree": size("SwapFree"),
        "uptime": float(Path("/proc/uptime").read_text().split()[0]),
        "cgroupVersion": on.cgroups.version(),
        "cgroupManager": on.cgroups.driver,
        "rootless": os.geteuid() != 0,
        "seccompDefault": on.seccomp.problem() or "found",
        "apparmor": on.apparmor.enabled(),
        "selinux": on.selinux.enabled,
    }


def _distribution() -> dict[str, str]:
    release = platform.freedesktop_os_release()
    return {"name": release.get("ID", ""), "version": release.get("VERSION_ID", "")}


def _store(on: Engine, config: Config) -> dict[str, Any]:
    pods, containers = on.registry.pods(), on.registry.containers()
    running = sum(c.phase == state.CONTAINER_RUNNING for c in containers)
    return {
        "root": str(config.server.root),
        "runRoot": str(config.server.run_root),
        "driver": "overlay",
        "pods": len(pods),
        "podsReady": sum(pod.phase == state.POD_READY for pod in pods),
        "containers": len(containers),
        "containersRunning": running,
        "images": len(on.images.list()),
    }


def _network(on: Engine) -> dict[str, Any]:
    status = on.network.status()
    return {
        "ready": status.ready,
        "reason": status.reason,
        "message": status.message,
        "problems": on.network.load_problems(),
    }


def _hooks(on: Engine) -> dict[str, Any]:
    found = on.hooks.look()
    return {"names": [hook.name for hook in found.definitions], "problems": list(found.bad)}


def _handlers(on: Engine) -> dict[str, Any]:
    return {
        handler.name: {
            "path": str(handler.path),
            "version": handler.version,
            "default": handler.name == on.default_handler,
            "problem": handler.problem,
            "userNamespaces": handler.userns_problem or "work",
        }
        for handler in on.handlers.values()
    }
