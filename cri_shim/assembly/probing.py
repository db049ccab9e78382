"""The configured OCI runtimes: tests each of them, and chooses the default."""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import replace

from cri_shim.aio.live import Live
from cri_shim.assembly.drivers import environment
from cri_shim.config import Config
from cri_shim.config.user import unprivileged_user
from cri_shim.engine import Paths, Settings
from cri_shim.errors import CriShimError, ToolFailed, Unavailable
from cri_shim.isolation import userns
from cri_shim.isolation.control_groups import ControlGroups
from cri_shim.linux import boot
from cri_shim.oci import handlers
from cri_shim.oci.handlers import Handler
from cri_shim.spec.userns import UserNamespace

_ONE_SPACE = "an unprivileged user's pods are all in the user namespace that it has already"

_log = logging.getLogger(__name__)


async def probe(
    config: Config,
    paths: Paths,
    cgroups: ControlGroups,
    names: Collection[str] = (),
    version: str = "",
) -> list[Handler]:
    """Test handlers, all at the same time, with and without a user namespace.

    `names` are names of configured handlers; without any, all are tested. `version` is appended to
    the names of their bind mounts.
    """
    async with AsyncExitStack() as cleanup:
        space: UserNamespace | str
        try:
            if unprivileged_user() is not None:
                raise ToolFailed(_ONE_SPACE)
            trial = userns.trial(paths.run_root / "userns", paths.root)
            space = await cleanup.enter_async_context(trial)
        except (CriShimError, OSError) as e:
            space = str(e)
        probes = (
            handlers.probe(
                name,
                table.path,
                run_root=paths.run_root,
                boot_id=boot.boot_id(),
                env=environment(config),
                systemd_cgroup=cgroups.driver == "systemd",
                userns=space,
                groups=cgroups.top if cgroups.usable else None,
                bind_as=f"{name}{version}",
            )
            for name, table in config.runtimes.items()
            if not names or name in names
        )
        return await asyncio.gather(*probes)


async def probe_again(
    config: Callable[[], Config], paths: Paths, cgroups: ControlGroups, live: Live[Settings]
) -> None:
    """Test again the handlers for which the disk was full, and replace them in `live`.

    Unavailable while the disk is still full for one of them.
    """
    names = [h.name for h in live.newest.offered.handlers.values() if h.lacked_room]
    for handler in await probe(config(), paths, cgroups, names) if names else ():
        now = live.newest
        if handler.name in now.offered.handlers:  # a reload may have taken it out meanwhile
            handlers = {**now.offered.handlers, handler.name: handler}
            live.replace(replace(now, offered=replace(now.offered, handlers=handlers)))
        if handler.lacked_room:
            raise Unavailable(handler.problem or handler.userns_problem)
        _log.info("runtime handler %s was tried again: %s", handler.name, handler.problem or "ok")


def default(config: Config, found: list[Handler]) -> str:
    """Return the configured handler, else the first that works, else the first with its problem."""
    if config.default_runtime:
        return config.default_runtime
    for handler in found:
        if not handler.problem:
            return handler.name
    return found[0].name if found else ""
