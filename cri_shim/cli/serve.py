"""serve: run the daemon until it is told to stop.

SIGTERM and SIGINT stop the daemon and leave every container running; a second one does not hurry
it. SIGHUP is taken and ignored: a terminal that closes must not end a node's pods.
"""

import argparse
import asyncio
import contextlib
import logging
import signal

from cri_shim import config, log
from cri_shim.cli import notify

_log = logging.getLogger(__name__)


def add(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace) -> int:
    settings = config.load(args.config, args.overrides)
    log.setup(settings.server.log_level)
    for warning in settings.warnings:
        _log.warning("%s", warning)
    return asyncio.run(_serve(args))


async def _serve(args: argparse.Namespace) -> int:
    from cri_shim.runtime import Runtime

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _log.info, "SIGHUP is ignored")
    async with Runtime.from_config(args.config, *args.overrides.items()) as runtime:
        async with asyncio.TaskGroup() as tasks:
            watchdog = tasks.create_task(notify.watchdog(), name="watchdog")
            serving = tasks.create_task(runtime.serve(ready=_ready), name="serve")
            stopping = tasks.create_task(stop.wait(), name="stop signal")
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
            notify.send("STOPPING=1")
            _log.info("stopping; containers keep running")
            for task in (serving, stopping, watchdog):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    return 0


def _ready() -> None:
    notify.send("READY=1")
    _log.info("ready")
