"""What there is here: the store, registries, networks, plugins, handlers and hooks."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cri_shim import lifecycle
from cri_shim.config import Config
from cri_shim.engine import Engine
from cri_shim.images import query
from cri_shim.linux import mounts
from cri_shim.report.gather import Part
from cri_shim.store import registries as registries_conf


def store(engine: Engine, config: Config) -> Mapping[str, Part]:
    """The numbers are those of this state namespace."""
    pods, containers = engine.objects.pods(), engine.objects.containers()
    return {
        "root": lambda: str(config.server.root),
        "runRoot": lambda: str(config.server.run_root),
        "driver": lambda: "overlay",
        "state": lambda: config.state,
        "pods": lambda: len(pods),
        "podsReady": lambda: sum(lifecycle.is_ready(pod) for pod in pods),
        "containers": lambda: len(containers),
        "containersRunning": lambda: sum(lifecycle.is_running(c) for c in containers),
        "images": lambda: sum(1 for _ in query.listed(engine)),
        "fileSystem": lambda: _file_system(config.server.root),
    }


def _file_system(root: Path) -> dict[str, Any]:
    """Of the root; sizes in bytes, `free` is what is left to others than root."""
    mount = mounts.mount_of(root)
    size = os.statvfs(root)
    return {
        "type": mount.fstype,
        "mountPoint": str(mount.target),
        "total": size.f_blocks * size.f_frsize,
        "free": size.f_bavail * size.f_frsize,
    }


def registries(config: Config) -> dict[str, Any]:
    """As registries.conf(5) has them."""
    named = config.image.registries_conf
    return dataclasses.asdict(registries_conf.overview(Path(named) if named else None))


def networks(engine: Engine) -> dict[str, Any]:
    """What pods can be attached to, and why they cannot be to the rest."""
    status = engine.network.status()
    return {
        "ready": status.ready,
        "reason": status.reason,
        "message": status.message,
        "default": engine.network.default_name(),
        "names": {
            network.name: {
                "file": network.source,
                "version": network.version,
                "plugins": [plugin["type"] for plugin in network.plugins],
            }
            for network in engine.network.usable()
        },
        "problems": engine.network.load_problems(),
    }


def plugins(engine: Engine) -> dict[str, Any]:
    """By what they are for."""
    return {
        "network": {n: str(path) for n, path in engine.network.plugins().items()},
        "log": ["cri"],
    }


def hooks(engine: Engine) -> dict[str, Any]:
    """OCI hook definitions."""
    found = engine.defaults.hooks.look()
    return {"names": [hook.name for hook in found.definitions], "problems": list(found.bad)}


def handlers(engine: Engine) -> dict[str, Any]:
    """Every OCI runtime that is configured."""
    return {
        handler.name: {
            "path": str(handler.path),
            "version": handler.version,
            "default": handler.name == engine.default_handler,
            "problem": handler.problem,
            "userNamespaces": handler.userns_problem or "work",
        }
        for handler in engine.handlers.values()
    }
