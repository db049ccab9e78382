"""Run the daemon.

SIGTERM and SIGINT stop the daemon and leave every container running; a second signal has no effect.
SIGHUP reads the configuration again, as `cri-shim reload` does; an error in it is logged, and
nothing changes then. An unprivileged user's daemon first moves into a user namespace
(cri_shim.rootless).
"""

import argparse
import asyncio
import errno
import logging
import os
import signal
from collections.abc import Callable

from cri_shim import config
from cri_shim.aio import descriptors
from cri_shim.cli import notify
from cri_shim.cli.reloads import Reloads
from cri_shim.errors import StateError
from cri_shim.log import setting

_log = logging.getLogger(__name__)


EXAMPLES = """
cri-shim serve
cri-shim --root /srv/cri --socket /run/cri.sock serve
cri-shim serve --set network.bridge=br0 --debug
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The command has no arguments of its own."""


def run(args: argparse.Namespace) -> int:
    settings = config.load(args.config, args.overrides)
    setting.setup(settings.server.log_level, settings.server.log_format)
    if os.geteuid():
        from cri_shim import rootless

        rootless.enter_for(settings.server.run_root)
    descriptors.raise_limit()
    try:
        return asyncio.run(_serve(args))
    except OSError as e:
        raise _unusable(settings.server, e) from e


async def _serve(args: argparse.Namespace) -> int:
    from cri_shim.runtime import Runtime

    runtime = Runtime.from_config(args.config, *args.overrides.items())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, runtime.stop)
    loop.add_signal_handler(signal.SIGHUP, _log.info, "SIGHUP: the files are being read just now")
    async with runtime:
        reloads = Reloads(runtime.reload)
        loop.add_signal_handler(signal.SIGHUP, reloads.ask)
        # No TaskGroup: it would wrap the one error that the user should see.
        watchdog = asyncio.create_task(notify.watchdog(), name="watchdog")
        try:
            await runtime.serve(ready=_ready)
        finally:
            watchdog.cancel()
            await asyncio.wait([watchdog])
            loop.add_signal_handler(signal.SIGHUP, _log.info, "SIGHUP: the daemon is stopping")
            await reloads.close()
    return 0


def _ready() -> None:
    notify.send("READY=1")


def _stop(stop: Callable[[], None]) -> None:
    notify.send("STOPPING=1")
    stop()


def _unusable(server: config.Server, error: OSError) -> StateError:
    what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    hints = {errno.ENOSPC: "; free some space, or some files", errno.EROFS: "; make it writable"}
    return StateError(
        f"cannot serve from {server.root} and {server.run_root}: {what}"
        f"{hints.get(error.errno or 0, '')}"
    )
