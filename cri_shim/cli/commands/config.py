"""Show, check or convert the configuration."""

import argparse
import sys
from pathlib import Path

from cri_shim import config
from cri_shim.cli.config_text import whole
from cri_shim.cli.convert import containerd, crio, libpod
from cri_shim.untrusted import one_line

EXAMPLES = """
cri-shim config
cri-shim --config new.toml config --check
cri-shim config --from-crio /etc/crio/crio.conf
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="validate and exit")
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
    from cri_shim.problems import advice

    if args.from_libpod is not None:
        files = [Path(args.from_libpod)] if args.from_libpod else config.Places().libpod
        print(libpod.converted(*files), end="")
        return 0
    if args.from_containerd or args.from_crio:
        reader = containerd if args.from_containerd else crio
        print(reader.converted(Path(args.from_containerd or args.from_crio)), end="")
        return 0
    settings = config.load(args.config, args.overrides)
    unsafe = [found.text for found in advice.of_places(settings)] if args.check else []
    for warning in [*settings.warnings, *unsafe]:
        print(f"cri-shim: warning: {one_line(warning)}", file=sys.stderr)
    if args.check:
        print("configuration is right")
    else:
        print(whole(settings, docs=args.docs), end="")
    return 0
