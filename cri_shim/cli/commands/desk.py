"""Show the node on a page in the browser: pods, problems, pulls, leaks; nothing can be changed.

The page is served on 127.0.0.1 until Ctrl-C. Its URL has a secret token, which is new for each run.
For a node without a browser, forward the port: ssh -L PORT:127.0.0.1:PORT NODE.
"""

import argparse
import asyncio
import os

from cri_shim.cli import daemon
from cri_shim.errors import Unavailable

EXAMPLES = """
cri-shim desk
cri-shim desk --port 8787
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=0, metavar="PORT", help="port on 127.0.0.1 (any free one)"
    )


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli.desk.facts import Facts
    from cri_shim.cli.desk.server import Desk
    from cri_shim.pb import api_pb2 as api

    async with daemon.client(args) as client:
        await client.runtime.Version(api.VersionRequest())  # a daemon must answer
        desk = Desk(Facts(client).now)
        try:
            url = await desk.start(args.port)
        except (OSError, OverflowError) as e:
            reason = os.strerror(e.errno or 0) if isinstance(e, OSError) else str(e)
            raise Unavailable(f"cannot listen on 127.0.0.1 port {args.port}: {reason}") from e
        try:
            print(f"{url}\nCtrl-C ends it.", flush=True)
            await asyncio.Event().wait()
        finally:
            await desk.close()
    return 0
