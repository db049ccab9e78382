"""version: of this program, and of the daemon if one answers."""

import argparse

from cri_shim import config
from cri_shim.errors import Unavailable
from cri_shim.version import __version__


def add(parser: argparse.ArgumentParser) -> None:
    """The command has no arguments of its own."""


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import api_pb2 as api
    from cri_shim.rpc.client import Client

    print(f"client: cri-shim {__version__}")
    socket = config.load(args.config, args.overrides).server.socket
    try:
        async with Client(socket) as client:
            daemon = await client.runtime.Version(api.VersionRequest())
    except Unavailable:
        print(f"daemon: none at {socket}")
        return 0
    name = f"{daemon.runtime_name} {daemon.runtime_version}"
    print(f"daemon: {name} (CRI {daemon.runtime_api_version}) at {socket}")
    return 0
