"""Copy files between a container and the node.

Only the container's own root file system is copied, not what is mounted in it; no program runs in
the container. Copied files belong to root of the container, or to the user of this command.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tarfile
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cri_shim.cli import daemon, which
from cri_shim.cli.exit_codes import UsageError
from cri_shim.errors import ToolFailed
from cri_shim.untrusted import one_line

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

EXAMPLES = """
cri-shim cp web:/etc/nginx/nginx.conf .
cri-shim cp ./site default/web/main:/usr/share/nginx
cri-shim cp web:/var/log -
"""


def add(parser: argparse.ArgumentParser) -> None:
    text = "a path of the node, or CONTAINER:/PATH; - is a tar on standard input or output"
    parser.add_argument("source", metavar="SOURCE", help=text)
    parser.add_argument("target", metavar="TARGET", help="the same; a directory gets the source")


async def run(args: argparse.Namespace) -> int:
    source, target = _split(args.source), _split(args.target)
    if (source is None) == (target is None):
        raise UsageError("one of SOURCE and TARGET must be CONTAINER:/PATH, and the other a path")
    async with daemon.client(args, patient=True) as client:
        if source is not None:
            await _out(client, await which.container(client, source[0]), source[1], args.target)
        elif target is not None:
            await _in(client, args.source, await which.container(client, target[0]), target[1])
    return 0


def _split(text: str) -> tuple[str, str] | None:
    """Return container and path; None for a path of the node."""
    container, colon, path = text.partition(":")
    if not colon or text.startswith((".", "/")) or not container:
        return None
    return container, path if path.startswith("/") else f"/{path}"


async def _out(client: "Client", id: str, path: str, target: str) -> None:
    from cri_shim.pb import control_pb2 as control

    request = control.CopyFromContainerRequest(container_id=id, path=path)
    if target == "-":
        if sys.stdout.isatty():
            raise UsageError("a tar is not for a terminal: use a pipe")
        async for piece in client.control.CopyFromContainer(request):
            sys.stdout.buffer.write(piece.data)
        return
    reading, writing = os.pipe()
    extracting = asyncio.create_task(asyncio.to_thread(_extract, reading, Path(target)))
    try:
        with os.fdopen(writing, "wb", 0) as pipe:
            async for piece in client.control.CopyFromContainer(request):
                try:
                    await asyncio.to_thread(pipe.write, piece.data)
                except BrokenPipeError:
                    break  # the extraction has failed, and says why
    finally:
        failed = (await asyncio.gather(extracting, return_exceptions=True))[0]
    if failed is not None:
        raise failed


def _extract(reading: int, target: Path) -> None:
    """Extract a tar from a container, whose names and links may be hostile."""
    from cri_shim.store.unpack.copied import Copied, place

    try:
        with os.fdopen(reading, "rb") as pipe:
            top, name = place(str(target.absolute()))
            with tarfile.open(fileobj=pipe, mode="r|") as archive:
                for member in archive:
                    if _is_plain(member):
                        Copied(top, name, member, (os.getuid(), os.getgid())).make(archive)
    except (tarfile.TarError, ValueError) as e:
        raise ToolFailed(f"cannot copy to {target}: {e}") from e


def _is_plain(member: tarfile.TarInfo) -> bool:
    """Return whether an entry can be copied; tell which cannot."""
    if member.isfile() or member.isdir() or member.issym() or member.islnk():
        return True
    text = one_line(f"cri-shim: {member.name} is not a file, directory or link: it is left out")
    print(text, file=sys.stderr)
    return False


async def _in(client: "Client", source: str, id: str, path: str) -> None:
    from cri_shim.pb import control_pb2 as control

    if source != "-" and not os.path.lexists(source):
        raise UsageError(f"{source}: there is no such file")
    directory = Path(tempfile.mkdtemp(prefix="cri-shim-cp-"))
    fifo = directory / "tar"
    try:
        os.mkfifo(fifo, 0o600)
        hold = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # the writer needs it
        to = fifo.open("wb", buffering=0)  # before the daemon opens it
        feeding = asyncio.create_task(asyncio.to_thread(_feed, source, to))
        request = control.CopyToContainerRequest(container_id=id, path=path, source=str(fifo))
        try:
            await client.control.CopyToContainer(request)
        finally:
            os.close(hold)  # ends a writer whose tar was not read whole
            await asyncio.wait([feeding])
        feeding.result()
    finally:
        shutil.rmtree(directory)


def _feed(source: str, to: BinaryIO) -> None:
    """Write the tar; a daemon that stops reading has an error of its own to tell."""
    with suppress(BrokenPipeError), to:
        if source == "-":
            shutil.copyfileobj(sys.stdin.buffer, to)
        else:
            _pack(Path(source), to)


def _pack(source: Path, to: BinaryIO) -> None:
    name = source.name or source.resolve().name or "root"
    with tarfile.open(fileobj=to, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        archive.add(source, arcname=name, filter=partial(_kept, archive))


def _kept(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    archive.inodes = {}  # type: ignore[attr-defined]  # so a file with two names is two files
    return member if _is_plain(member) else None
