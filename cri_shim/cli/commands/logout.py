"""Forget the credentials of a registry."""

import argparse

from cri_shim.cli import credentials
from cri_shim.errors import NotFound
from cri_shim.registry.credentials import host

EXAMPLES = """
cri-shim logout registry.example
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--authfile", default="", metavar="FILE", help="file to change, instead of the usual one"
    )
    parser.add_argument("registry", metavar="REGISTRY", help="host of the registry, with its port")


def run(args: argparse.Namespace) -> int:
    registry = host(args.registry)
    file = credentials.file(args.authfile)
    if not credentials.forget(file, registry):
        raise NotFound(f"{file} has no credentials of {registry}")
    print(f"{registry}: the credentials are no longer in {file}")
    return 0
