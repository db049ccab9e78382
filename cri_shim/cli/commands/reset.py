"""Remove all pods and everything that cri-shim made on the node.

Without --force nothing is removed: the command shows what it would remove. Images are kept unless
--images is given. A running daemon must be stopped first; what in the directories was not made by
cri-shim is left alone.
"""

import argparse
import asyncio
import os
import sys

from cri_shim import config
from cri_shim.cli import exit_codes, output
from cri_shim.cli.table import Column
from cri_shim.errors import WrongState
from cri_shim.log import setting
from cri_shim.reset.plan import Part, Plan

EXAMPLES = """
cri-shim reset
cri-shim reset --force
cri-shim reset --images --force
"""


def add(parser: argparse.ArgumentParser) -> None:
    output.add(parser, quiet=False)
    parser.add_argument("--force", action="store_true", help="remove it; ask nothing")
    parser.add_argument("--images", action="store_true", help="remove the images, too")


def run(args: argparse.Namespace) -> int:
    settings = config.load(args.config, args.overrides)
    if os.geteuid():
        from cri_shim import rootless

        if settings.server.run_root.is_dir():
            rootless.enter_for(settings.server.run_root)
    from cri_shim.reset import plan

    setting.setup("debug" if args.debug else "warning")
    found = plan.look(settings, images=args.images)
    if not args.force:
        return _tell(args, found)
    if found.refusal:
        raise WrongState(f"nothing was removed: {found.refusal}")
    _show(args, found.parts)
    problems = asyncio.run(_remove(args, settings))
    for problem in [*problems, *(f"kept: {kept}" for kept in found.kept)]:
        print(f"cri-shim: {problem}", file=sys.stderr)
    return exit_codes.FAILED if problems else exit_codes.OK


async def _remove(args: argparse.Namespace, settings: config.Config) -> list[str]:
    from cri_shim.reset import perform

    options = [*args.overrides.items()]
    return await perform.perform(settings, args.config, options, images=args.images)


def _tell(args: argparse.Namespace, found: Plan) -> int:
    """Show what would be removed, and what prevents it now."""
    _show(args, found.parts)
    for kept in found.kept:
        print(f"cri-shim: stays: {kept}", file=sys.stderr)
    if found.refusal:
        print(f"cri-shim: not possible now: {found.refusal}", file=sys.stderr)
    if found.parts:
        again = "--images --force" if args.images else "--force"
        print(
            f"cri-shim: nothing was removed; `cri-shim reset {again}` removes it", file=sys.stderr
        )
    return exit_codes.OK


def _show(args: argparse.Namespace, parts: tuple[Part, ...]) -> None:
    columns: list[Column[Part]] = [
        Column("KIND", lambda part: part.kind),
        Column("NAME", lambda part: part.name),
    ]
    output.show(
        args,
        parts,
        columns,
        document=lambda: [{"kind": part.kind, "name": part.name} for part in parts],
        id=lambda part: part.name,
        name=lambda part: part.name,
    )
