"""config: show every effective value and its origin, or check or convert a configuration."""

import argparse
import sys
from pathlib import Path

from cri_shim import config
from cri_shim.cli import from_containerd, from_crio, from_libpod
from cri_shim.cli.config_text import whole
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
    parser.add_argument(
        "--from-containerd", metavar="FILE", help="rewrite containerd's config.toml as our own file"
    )
    parser.add_argument(
        "--from-crio", metavar="FILE", help="rewrite CRI-O's crio.conf as our own file"
    )


def run(args: argparse.Namespace) -> int:
    from cri_shim.assembly import advice

    if args.from_libpod is not None:
        files = [Path(args.from_libpod)] if args.from_libpod else config.Places().libpod
        print(from_libpod.converted(*files), end="")
        return 0
    if args.from_containerd or args.from_crio:
        reader = from_containerd if args.from_containerd else from_crio
        print(reader.converted(Path(args.from_containerd or args.from_crio)), end="")
        return 0
    settings = config.load(args.config, args.overrides)
    for warning in [*settings.warnings, *(advice.of_places(settings) if args.check else [])]:
        print(f"cri-shim: warning: {one_line(warning)}", file=sys.stderr)
    if args.check:
        print("configuration is right")
    else:
        print(whole(settings, docs=args.docs), end="")
    return 0
