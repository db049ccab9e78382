"""Show the logs of containers, of all containers of a pod, or of a log file.

The command reads the files itself, so it works only on the node; a path needs no daemon.
"""

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, exit_codes, log_sources
from cri_shim.cli.arguments import any_id, count, since
from cri_shim.cli.log_sources import Source
from cri_shim.cli.log_writer import Writer
from cri_shim.errors import CriShimError, NotFound, Unavailable, WrongState

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

_POLL_S = 0.2  # between two checks of a container whose log is followed

EXAMPLES = """
cri-shim logs -f web
cri-shim logs --tail 20 --since 1h30m default/web/main
cri-shim logs --previous --stream stderr web
cri-shim logs /var/log/pods/default_web_1234/main/0.log
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="follow the log")
    parser.add_argument("--tail", metavar="N", type=int, default=-1, help="the last N lines (all)")
    parser.add_argument(
        "--since", metavar="TIME", type=since, default=0,
        help="lines after this time (2025-01-31T12:00:00Z) or age (1h30m)",
    )  # fmt: skip
    parser.add_argument(
        "-t", "--timestamps", action="store_true", help="prefix lines with timestamps"
    )
    parser.add_argument(
        "-p", "--previous", action="store_true",
        help="the log of the instance before the last restart",
    )  # fmt: skip
    parser.add_argument(
        "--stream", choices=("stdout", "stderr"), metavar="STREAM",
        help="only stdout or only stderr",
    )  # fmt: skip
    parser.add_argument(
        "--limit-bytes", metavar="N", type=count, default=None, help="at most N bytes of each log"
    )
    parser.add_argument(
        "words", nargs="+", metavar="NAME", type=any_id,
        help="container or pod: name, ID, or unique ID prefix; or the path of a log file",
    )  # fmt: skip


async def run(args: argparse.Namespace) -> int:
    async with AsyncExitStack() as stack:
        client = None
        if not all(map(log_sources.is_path, args.words)):
            client = await stack.enter_async_context(daemon.client(args))
        sources, codes = await _sources(client, args)
        several = len(sources) > 1
        shows = [_guarded(client, args, source, several=several) for source in sources]
        if args.follow:
            codes += await asyncio.gather(*shows)
        else:
            codes += [await show for show in shows]
    return exit_codes.of_all(codes)


async def _sources(
    client: "Client | None", args: argparse.Namespace
) -> tuple[list[Source], list[int]]:
    """Return the logs to show, and the exit codes of the words that mean none."""
    sources: list[Source] = []
    codes: list[int] = []
    for word in args.words:
        try:
            if client is None or log_sources.is_path(word):
                sources.append(log_sources.of_path(word))
            else:
                sources += await log_sources.of_word(client, word, previous=args.previous)
        except CriShimError as e:
            codes.append(_told(e))
    return sources, codes


async def _guarded(
    client: "Client | None", args: argparse.Namespace, source: Source, *, several: bool
) -> int:
    try:
        await _show(client, args, source, several=several)
    except CriShimError as e:
        return _told(e)
    return exit_codes.OK


def _told(error: CriShimError) -> int:
    print(f"cri-shim: {error}", file=sys.stderr)
    return exit_codes.of(error)


async def _show(
    client: "Client | None", args: argparse.Namespace, source: Source, *, several: bool
) -> None:
    """Write one log. WrongState: its container never started, or its file is gone."""
    from cri_shim.oci.log_file import LogQuery, read

    waits = args.follow and source.waiting
    if not (waits or source.problem or source.path.exists()):
        raise WrongState(
            f"{source.name}: its log file {source.path} is not there (rotated or removed)"
        )
    streams = frozenset([args.stream] if args.stream else ["stdout", "stderr"])
    query = LogQuery(args.since, args.tail if args.tail >= 0 else None, streams)
    ending = asyncio.create_task(_ended(client, source.container)) if args.follow else None
    writer = Writer(
        timestamps=args.timestamps,
        prefix=f"[{source.name}] " if several else "",
        limit=args.limit_bytes,
    )
    try:
        async with aclosing(read(source.path, query, ending)) as entries:
            async for entry in entries:
                writer.write(entry)
                if writer.full:
                    break
    finally:
        writer.end()
        if ending is not None:
            ending.cancel()
    if source.problem and not waits:
        raise WrongState(source.problem)


async def _ended(client: "Client | None", id: str) -> None:
    """Return when the container has ended or is gone; keep trying while the daemon is down.

    The log of a path alone is followed until the user interrupts this.
    """
    if client is None or not id:
        await asyncio.Event().wait()
        return
    from cri_shim.pb import api_pb2 as api

    request = api.ContainerStatusRequest(container_id=id)
    while True:
        try:
            answer = await client.runtime.ContainerStatus(request)
            if answer.status.state == api.CONTAINER_EXITED:
                return
        except NotFound:
            return
        except Unavailable:
            pass
        await asyncio.sleep(_POLL_S)
