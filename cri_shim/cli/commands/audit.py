"""Show the audit record of this node, follow it, or check that nobody changed it.

The command reads the files of `audit.file` itself and needs no daemon. `verify` names the first
line that breaks the chain of hashes. It cannot see that the newest lines were removed: keep the
last hash that it prints on another machine, and give it with --expect later.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cri_shim import config
from cri_shim.cli import exit_codes
from cri_shim.cli.arguments import count
from cri_shim.cli.exit_codes import Exit
from cri_shim.untrusted import one_line

_POLL_S = 0.3

EXAMPLES = """
cri-shim audit -n 20
cri-shim audit --follow
cri-shim audit -o json
cri-shim audit verify
cri-shim audit verify --file /backup/audit.jsonl
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", default="show", choices=("show", "verify"), metavar="verify",
        help="check the whole record",
    )  # fmt: skip
    parser.add_argument("-f", "--follow", action="store_true", help="follow the record")
    parser.add_argument(
        "-n", "--last", metavar="N", type=count, default=None, help="the N newest lines (all)"
    )
    parser.add_argument("--file", metavar="FILE", type=Path, help="another file than audit.file")
    parser.add_argument("--expect", metavar="HASH", default="", help="a hash that must be there")
    parser.add_argument(
        "-o", "--output", metavar="FORMAT", choices=("text", "json"), default="text",
        help="text|json (text); json: the lines as they are",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    file = args.file or _configured(args)
    try:
        if args.action == "verify":
            return _verify(file, args.expect)
        _show(args, file)
        if args.follow:
            asyncio.run(_follow(args, file))
    except OSError as e:
        reason = e.strerror or str(e)
        raise Exit(exit_codes.FAILED, f"cannot read {e.filename or file}: {reason}") from e
    return exit_codes.OK


def _configured(args: argparse.Namespace) -> Path:
    named = config.load(args.config, args.overrides).audit.file
    if not named:
        raise Exit(
            exit_codes.FAILED,
            "no audit record is configured: set audit.file and restart the daemon,"
            " or name a record with --file",
        )
    return Path(named)


def _verify(file: Path, expected: str) -> int:
    from cri_shim.audit.verify import verify

    _present(file)
    verdict = verify(file, expected)
    if verdict.problem:
        before = f"the {verdict.lines} lines before it are right" if verdict.lines else ""
        print(f"cri-shim: {'; '.join(filter(None, (verdict.problem, before)))}", file=sys.stderr)
        return exit_codes.FAILED
    torn = f", {verdict.torn} unfinished by a daemon that died" if verdict.torn else ""
    print(f"{verdict.lines} lines are right, from {verdict.first} to {verdict.last.seq}{torn}")
    print(f"last hash: {verdict.last.hash}")
    return exit_codes.OK


def _present(file: Path) -> None:
    from cri_shim.audit.files import rotated

    if not file.exists() and not rotated(file):
        raise Exit(exit_codes.NOT_FOUND, f"there is no audit record {file}")


def _show(args: argparse.Namespace, file: Path) -> None:
    from collections import deque

    from cri_shim.audit.verify import lines

    _present(file)
    found: Iterator[bytes] = (line.data for line in lines(file) if line.whole)
    for data in found if args.last is None else deque(found, maxlen=args.last):
        _print(args, data)


async def _follow(args: argparse.Namespace, file: Path) -> None:
    """Print lines as they come, also after a rotation, until the user ends it."""
    stream = file.open("rb")
    stream.seek(0, 2)
    pending = b""
    while True:
        pending += stream.read()
        *whole, pending = pending.split(b"\n")
        for data in whole:
            _print(args, data)
        if not whole and (newer := _replaced(stream.fileno(), file)) is not None:
            stream.close()
            stream, pending = newer, b""
            continue
        sys.stdout.flush()
        await asyncio.sleep(_POLL_S)


def _replaced(fd: int, file: Path) -> Any:
    """Return the new file if the open one was rotated away."""
    import os

    try:
        newer = file.open("rb")
    except FileNotFoundError:
        return None
    if os.path.sameopenfile(fd, newer.fileno()):
        newer.close()
        return None
    return newer


def _print(args: argparse.Namespace, data: bytes) -> None:
    if args.output == "json":
        print(data.decode(errors="replace"))
        return
    try:
        print(one_line(_text(json.loads(data))))
    except (ValueError, TypeError, AttributeError, RecursionError):
        print(f"? {one_line(data.decode(errors='replace'), 200)}")


def _text(entry: dict[str, Any]) -> str:
    """Return a line for people: time, event, verb, object, result, peer."""
    words = [entry.get("time", ""), entry.get("id", ""), entry.get("event", "")]
    words += [entry.get("verb", ""), entry.get("object", ""), entry.get("result", "")]
    if "ms" in entry:
        words.append(f"{entry['ms']} ms")
    if peer := entry.get("peer"):
        words.append(f"by user {peer['uid']} process {peer['pid']} {peer['program']}")
    words += [f"{name}={entry[name]}" for name in ("exitCode", "reason", "lost") if name in entry]
    return " ".join(str(word) for word in words if word != "")
