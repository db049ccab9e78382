"""config: show every effective value and its origin, or check or convert a configuration."""

import argparse
import sys
from pathlib import Path

from cri_shim import config
from cri_shim.cli.config_text import whole
from cri_shim.cli.from_libpod import converted
from cri_shim.untrusted import one_line


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="say only whether it is right")
    parser.add_argument("--docs", action="store_true", help="say also what each key means")
    parser.add_argument(
        "--from-libpod",
        metavar="FILE",
        nargs="?",
        const="",
        help="say what a libpod.conf sets in the form of our own file",
    )


def run(args: argparse.Namespace) -> int:
    if args.from_libpod is not None:
        files = [Path(args.from_libpod)] if args.from_libpod else config.Places().libpod
        print(converted(*files), end="")
        return 0
    settings = config.load(args.config, args.overrides)
    for warning in settings.warnings:
        print(f"cri-shim: warning: {one_line(warning)}", file=sys.stderr)
    if args.check:
        print("configuration is right")
    else:
        print(whole(settings, docs=args.docs), end="")
    return 0
