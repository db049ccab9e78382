"""The parts of a report beside the host: store, registries, networks, plugins, handlers, hooks."""

import asyncio
import dataclasses
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from cri_shim import lifecycle
from cri_shim.config import Config
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError
from cri_shim.images import query
from cri_shim.linux import mounts
from cri_shim.store import registries as registries_conf
from cri_shim.untrusted import one_line

Part = Callable[[], Awaitable[Any] | Any]


async def gathered(parts: Mapping[str, Part]) -> dict[str, Any]:
    """Return the value of every part, or its error."""
    values = await asyncio.gather(*map(_value, parts.values()))
    return dict(zip(parts, values, strict=True))


async def _value(part: Part) -> Any:
    try:
        found = part()
        return await found if inspect.isawaitable(found) else found
    except CriShimError as e:
        return {"error": one_line(e)}
    except Exception as e:  # a node may have any defect
        return {"error": one_line(f"{type(e).__name__}: {e}")}


def store(engine: Engine, config: Config) -> Mapping[str, Part]:
    """Return the parts of `store`. The numbers are those of this state namespace."""
    pods, containers = engine.objects.pods(), engine.objects.containers()
    return {
        "root": lambda: str(config.server.root),
        "runRoot": lambda: str(config.server.run_root),
        "driver": lambda: "overlay",
        "layers": lambda: dataclasses.asdict(engine.images.layer_store),
        "state": lambda: config.state,
        "pods": lambda: len(pods),
        "podsReady": lambda: sum(lifecycle.is_ready(pod) for pod in pods),
        "containers": lambda: len(containers),
        "containersRunning": lambda: sum(lifecycle.is_running(c) for c in containers),
        "images": lambda: sum(1 for _ in query.listed(engine)),
        "fileSystem": lambda: _file_system(config.server.root),
    }


def _file_system(root: Path) -> dict[str, Any]:
    """Describe the root's file system. Sizes are in bytes; `free` is without root's reserve."""
    mount = mounts.mount_of(root)
    size = os.statvfs(root)
    return {
        "type": mount.fstype,
        "mountPoint": str(mount.target),
        "total": size.f_blocks * size.f_frsize,
        "free": size.f_bavail * size.f_frsize,
    }


def registries(config: Config) -> dict[str, Any]:
    """Return the registries as registries.conf(5) defines them."""
    named = config.image.registries_conf
    return dataclasses.asdict(registries_conf.overview(Path(named) if named else None))


def networks(engine: Engine) -> dict[str, Any]:
    """Return the networks that pods can use, and the problems of the others."""
    status, found = engine.network.status(), engine.network.networks()
    return {
        "ready": status.ready,
        "reason": status.reason,
        "message": "; ".join(filter(None, (status.message, *status.notes))),
        "default": found.default,
        "names": {
            network.name: {
                "file": network.source,
                "version": network.version,
                "plugins": list(network.plugins),
            }
            for network in found.usable
        },
        "problems": list(found.problems),
    }


def plugins(engine: Engine) -> dict[str, Any]:
    """Return the plugins by their use."""
    return {
        "network": {n: str(path) for n, path in engine.network.plugins().items()},
        "log": ["cri"],
    }


def hooks(engine: Engine) -> dict[str, Any]:
    """Return the names of the OCI hook definitions and their problems."""
    found = engine.defaults.hooks.scan()
    return {"names": [hook.name for hook in found.definitions], "problems": list(found.bad)}


def handlers(engine: Engine) -> dict[str, Any]:
    """Return every configured OCI runtime."""
    return {
        handler.name: {
            "path": str(handler.path) if handler.is_found else None,
            "version": handler.version,
            "default": handler.name == engine.oci.default_handler,
            "problem": handler.problem,
            "userNamespaces": handler.userns_problem or "available",
        }
        for handler in engine.oci.handlers.values()
    }
