"""Removes what is left, without a runtime: processes, mounts, pins, control groups and files.

Every step is tried; each returns the sentences of what it could not remove.
"""

import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from cri_shim.aio.offload import offload
from cri_shim.assembly import node
from cri_shim.comparison import leases, ours
from cri_shim.config import Config
from cri_shim.engine import Paths
from cri_shim.errors import CriShimError
from cri_shim.isolation import hierarchies
from cri_shim.isolation.namespaces import unpin
from cri_shim.linux import mounts
from cri_shim.linux.remove import remove_tree
from cri_shim.oci import bundle, find_conmon
from cri_shim.reset import network, plan


async def sweep(config: Config, *, images: bool) -> list[str]:
    """Remove everything of `plan`; return what could not be removed, and why."""
    ids = ours.ids(config)
    reserved = leases.held_by(ids)
    steps: list[Callable[[], Coroutine[Any, Any, Any]]] = [
        lambda: _processes(config, ids),
        lambda: offload(_pins, config),
        lambda: offload(_mounts, config),
        network.own(config).uninstall,
        lambda: offload(_unlink, reserved),
        lambda: offload(_groups, config),
        lambda: offload(_files, config, images),
    ]
    failures: list[str] = []
    for step in steps:
        try:
            await step()
        except (CriShimError, OSError) as e:
            failures.append(str(e))
    return failures


async def _processes(config: Config, ids: set[str]) -> None:
    """Kill what runs in the containers of these ids, and their monitors."""
    server = config.server
    paths = Paths(server.root, server.run_root, config.network.netns_dir)
    cgroups = node.cgroups(config, paths)
    for id in sorted(ids):
        for where in (paths.bundle(id), paths.pod(id) / "pause"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                group = str(bundle.spec(where)["linux"]["cgroupsPath"])
                if id in group:  # a document can name any group; those of cri-shim have the id
                    await cgroups.empty(group)
                    await cgroups.remove(group)
        await find_conmon.end(id)
        with suppress(OSError):
            await cgroups.remove_monitor(id)


def _pins(config: Config) -> None:
    for pin in ours.pins(config):
        unpin(pin)
    directory = config.network.netns_dir
    if mounts.is_mounted(directory) and not os.listdir(directory):  # noqa: PTH208
        mounts.unmount(directory)  # as `ip netns`, which makes it again
    with suppress(OSError):
        if directory.is_relative_to(config.server.run_root):
            directory.rmdir()


def _mounts(config: Config) -> None:
    for path in reversed(plan.mounts_of(config)):
        mounts.unmount(path)


def _unlink(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _groups(config: Config) -> None:
    for group in plan.control_groups(config):
        hierarchies.remove(group)


def _files(config: Config, images: bool) -> None:
    failed: OSError | None = None
    server = config.server
    # The marks of a directory of cri-shim go last: a reset that dies can be repeated.
    for entry in sorted(ours.entries(config, images=images), key=lambda e: e.name in ours.MARKS):
        try:
            remove_tree(entry)
        except OSError as e:
            failed = e
    with suppress(OSError):
        if server.socket.is_socket():
            server.socket.unlink()
    for directory in (server.run_root, server.root):
        with suppress(OSError):  # it has files of others, or is a mount point
            directory.rmdir()
    if failed is not None:
        raise failed
