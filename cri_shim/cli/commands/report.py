"""Write a support bundle: state, checks, records and log, without secrets.

The bundle is one tar.gz for its owner alone. It has no environment, command line or annotation of
a container, and no credential. Without a daemon it has what the node shows, and says what is
missing.
"""

import argparse
import asyncio
import json
import subprocess
import time
from pathlib import Path
from typing import Any

from cri_shim import config
from cri_shim.cli import daemon
from cri_shim.errors import CriShimError, Unreachable
from cri_shim.untrusted import one_line

EXAMPLES = """
cri-shim report
cri-shim report -o /root/report.tar.gz
cri-shim report --log /var/log/cri-shim.log
"""

_TOLD = 1024  # bytes in a KiB


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--file", metavar="FILE", type=Path, help="new file (./cri-shim-report-TIME.tar.gz)"
    )
    parser.add_argument(
        "--log", metavar="FILE", type=Path, help="log of a daemon that systemd does not run"
    )


async def run(args: argparse.Namespace) -> int:
    from cri_shim.support import archive

    settings = config.load(args.config, args.overrides)
    name = f"cri-shim-report-{time.strftime('%Y%m%dT%H%M%S')}"
    file = args.file or Path(f"{name}.tar.gz")
    parts, missing = await _collected(args, settings)
    contents = {"files": {part: len(text) for part, text in parts.items()}, "missing": missing}
    parts["contents.json"] = json.dumps(contents, indent=2) + "\n"
    size = archive.write(file, name, parts)
    for part, text in parts.items():
        print(f"{part:<24}{len(text.encode(errors='replace')):>10} bytes")
    for part, reason in missing.items():
        print(f"{part:<24} missing: {one_line(reason)}")
    print(f"\n{file} ({size / _TOLD:.0f} KiB): look through it before you pass it on")
    return 0


async def _collected(
    args: argparse.Namespace, settings: config.Config
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the parts by file name, and why others are missing."""
    from cri_shim.support import node

    parts, missing = await _of_daemon(args, settings)
    collectors = node.parts(settings)
    if args.log:
        collectors["log.txt"] = lambda: node.log(args.log)
    for name, collect in collectors.items():
        try:
            parts[name] = await asyncio.to_thread(collect)
        except (CriShimError, OSError, ValueError, subprocess.SubprocessError) as e:
            missing[name] = str(e)
    return parts, missing


async def _of_daemon(
    args: argparse.Namespace, settings: config.Config
) -> tuple[dict[str, str], dict[str, str]]:
    from cri_shim.support import daemon as told
    from cri_shim.support import redact

    parts: dict[str, str] = {}
    missing: dict[str, str] = {}
    async with daemon.client(args, settings) as client:
        for name, ask in told.PARTS.items():
            try:
                parts[name] = _json(redact.json_value(await ask(client)))
            except Unreachable as e:
                missing[name] = str(e)
            except CriShimError as e:
                missing[name] = f"the daemon says: {e}"
    parts |= await _instead(settings, missing)
    return parts, missing


async def _instead(settings: config.Config, missing: dict[str, str]) -> dict[str, str]:
    """Return what this process can tell in place of the daemon."""
    parts: dict[str, str] = {}
    if "check.json" in missing:
        from cri_shim.cli.commands import check

        del missing["check.json"]
        parts["check.json"] = _json([each.facts() for each in await check.of_node(settings)])
    if "config.json" in missing:
        from cri_shim.report import in_force
        from cri_shim.support.daemon import of_configuration

        del missing["config.json"]
        parts["config.json"] = _json(of_configuration(in_force(settings)) | {"inForce": False})
    return parts


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
