"""Show, check or convert the configuration.

The values are those of the daemon, if one answers; where its files say otherwise now, a comment
says so. Without a daemon they are those of the next start.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from cri_shim import config
from cri_shim.cli import daemon, exit_codes, output
from cri_shim.cli.config_text import whole
from cri_shim.cli.convert import containerd, crio, libpod
from cri_shim.errors import ConfigError, CriShimError
from cri_shim.untrusted import one_line

EXAMPLES = """
cri-shim config
cri-shim config -o json
cri-shim config --diff
cri-shim --config new.toml config --check
cri-shim config --check --node
cri-shim config --from-crio /etc/crio/crio.conf
"""


def add(parser: argparse.ArgumentParser) -> None:
    output.add(parser, quiet=False)
    parser.add_argument(
        "--check", action="store_true", help="show everything that a start would refuse"
    )
    parser.add_argument(
        "--node", action="store_true", help="with --check, also check the node: see cri-shim check"
    )
    parser.add_argument(
        "--diff", action="store_true",
        help="show only what differs: from the defaults, and the files from what runs",
    )  # fmt: skip
    parser.add_argument("--docs", action="store_true", help="also describe each key")
    parser.add_argument(
        "--from-libpod",
        metavar="FILE",
        nargs="?",
        const="",
        help="convert a libpod.conf",
    )
    parser.add_argument(
        "--from-containerd", metavar="FILE", help="convert containerd's config.toml"
    )
    parser.add_argument("--from-crio", metavar="FILE", help="convert CRI-O's crio.conf")


def run(args: argparse.Namespace) -> int:
    if args.from_libpod is not None:
        files = [Path(args.from_libpod)] if args.from_libpod else config.Places().libpod
        print(libpod.converted(*files), end="")
        return 0
    if args.from_containerd or args.from_crio:
        reader = containerd if args.from_containerd else crio
        print(reader.converted(Path(args.from_containerd or args.from_crio)), end="")
        return 0
    if args.check or args.node:
        return _check(args)
    return _diff(args) if args.diff else _show(args)


def _show(args: argparse.Namespace) -> int:
    settings = config.load(args.config, args.overrides)
    for warning in settings.warnings:
        print(f"cri-shim: warning: {one_line(warning)}", file=sys.stderr)
    socket = daemon.socket(args, settings)
    running = asyncio.run(_in_force(args, settings))
    if args.output not in ("table", "wide"):
        from cri_shim.report.configuration import in_force

        document = running or in_force(settings)
        output.show_object(args, document | {"inForce": running is not None})
        return 0
    if running is None:
        print(f"# no daemon answers on {socket}: these values are for the next start")
    else:
        print(f"# in force in the daemon on {socket}, process {running['pid']}")
    print(whole(settings, docs=args.docs, running=running), end="")
    return 0


def _diff(args: argparse.Namespace) -> int:
    from cri_shim.cli.config_diff import columns, differences
    from cri_shim.report.configuration import plain

    settings = config.load(args.config, args.overrides)
    running = asyncio.run(_in_force(args, settings))
    found = list(differences(settings, running, plain))
    if not found and args.output in ("table", "wide"):
        print("every key has its default" + ("" if running else "; no daemon answers"))
        return 0
    output.show(
        args, found, columns(running is not None),
        document=lambda: [difference.facts() for difference in found],
        id=lambda difference: difference.key, name=lambda difference: difference.key,
    )  # fmt: skip
    return 0


async def _in_force(args: argparse.Namespace, settings: config.Config) -> dict[str, Any] | None:
    """Return the daemon's values and origins; None if no daemon can tell them."""
    from cri_shim.pb import control_pb2

    try:
        async with daemon.client(args, settings) as client:
            answer = await client.control.Config(control_pb2.ConfigRequest())
    except CriShimError:
        return None
    found: dict[str, Any] = json.loads(answer.json)
    return found


def _check(args: argparse.Namespace) -> int:
    """Print every error of every file, and what a start would refuse besides."""
    from cri_shim.config.failures import each
    from cri_shim.problems import Level, problems
    from cri_shim.report import refused

    try:
        settings = config.load(args.config, args.overrides)
    except ConfigError as e:
        for text in each(e):
            print(f"cri-shim: {text}", file=sys.stderr)
        return exit_codes.FAILED
    from cri_shim.cli.commands import check

    failed = False
    for finding in problems([*refused.look(settings), *check.unsafe(settings)]):
        bad = finding.level is Level.FAILS
        failed |= bad
        print(f"cri-shim: {'' if bad else 'warning: '}{finding.text}", file=sys.stderr)
    if not failed:
        print("the configuration is valid")
    if args.node:
        failed |= bool(check.show(args, asyncio.run(check.of_node(settings))))
    return exit_codes.FAILED if failed else exit_codes.OK
