"""Run a command in a container and exit with its code.

Without -i or -t the daemon waits for the command, and its output (16 MB at most) is shown at the
end. With -i or -t it is a session: output is shown at once, and input or a terminal is passed on.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim import config
from cri_shim.cli import daemon
from cri_shim.cli.arguments import CONTAINER, container_id
from cri_shim.cli.exit_codes import RUN_FAILED, UsageError
from cri_shim.errors import ToolFailed

if TYPE_CHECKING:
    from cri_shim.cli.session import Session
    from cri_shim.rpc.client import Client

_CHUNK = 1 << 15  # bytes of input that are sent at once


FAILED = RUN_FAILED
EXAMPLES = """
cri-shim exec web ls -l /
cri-shim exec -it default/web/main sh
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-i", "--interactive", action="store_true", help="keep stdin open")
    parser.add_argument("-t", "--tty", action="store_true", help="allocate a TTY")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=int, default=0,
        help="kill the command after this time; not with -i or -t (0: never)",
    )  # fmt: skip
    parser.add_argument("container", metavar="CONTAINER", type=container_id, help=CONTAINER)
    parser.add_argument("program", metavar="COMMAND", help="the program to run")
    parser.add_argument("args", nargs=argparse.REMAINDER, metavar="ARG", help="its arguments")


async def run(args: argparse.Namespace) -> int:
    if args.tty and args.interactive and not sys.stdin.isatty():
        raise UsageError("input is not a terminal: leave out -t, or -i")
    settings = config.load(args.config, args.overrides)
    async with daemon.client(args, settings, patient=True) as client:
        if args.interactive or args.tty:
            url = await _url(client, args)
            certificate = settings.streaming.tls_cert_file
            return await _interact(args, url, Path(certificate) if certificate else None)
        return await _wait(client, args)


async def _wait(client: "Client", args: argparse.Namespace) -> int:
    from cri_shim.pb import api_pb2 as api

    answer = await client.runtime.ExecSync(
        api.ExecSyncRequest(
            container_id=args.container, cmd=[args.program, *args.args], timeout=args.timeout
        )
    )
    _show(1, answer.stdout)
    _show(2, answer.stderr)
    return int(answer.exit_code)


async def _url(client: "Client", args: argparse.Namespace) -> str:
    from cri_shim.pb import api_pb2 as api

    request = api.ExecRequest(
        container_id=args.container,
        cmd=[args.program, *args.args],
        tty=args.tty,
        stdin=args.interactive,
        stdout=True,
        stderr=not args.tty,
    )
    return str((await client.runtime.Exec(request)).url)


async def _interact(args: argparse.Namespace, url: str, certificate: Path | None) -> int:
    """Run the session, from the connection to the exit code."""
    from cri_shim.cli import terminal
    from cri_shim.cli.session import Session

    async with await Session.open(url, certificate) as session:
        with ExitStack() as stack:
            if args.tty and args.interactive:
                stack.enter_context(terminal.raw(sys.stdin.fileno()))
            if args.tty:
                stack.enter_context(terminal.sizes(session.resize))
            feeding = asyncio.create_task(_feed(session)) if args.interactive else None
            try:
                outcome = await session.receive(_show)
            finally:
                if feeding is not None:
                    feeding.cancel()
                    await asyncio.wait([feeding])
    if outcome.error:
        raise ToolFailed(outcome.error)
    return outcome.exit_code


async def _feed(session: "Session") -> None:
    """Send our input until its end. If the session has ended, its reader has already seen it."""
    with suppress(ConnectionError):
        async for data in _input(sys.stdin.fileno()):
            await session.send(data)
        session.end_input()


async def _input(fd: int) -> AsyncIterator[bytes]:
    """Read `fd`, a terminal, a pipe or a file, until its end."""
    with suppress(OSError):  # a terminal that is gone, or a closed input: the end
        while True:
            await _readable(fd)
            if not (data := os.read(fd, _CHUNK)):
                return
            yield data


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    try:
        loop.add_reader(fd, ready.set_result, None)
    except PermissionError:  # a file: always readable
        await asyncio.sleep(0)
        return
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _show(stream: int, data: bytes | memoryview) -> None:
    to = (sys.stdout if stream == 1 else sys.stderr).buffer
    to.write(data)
    to.flush()
