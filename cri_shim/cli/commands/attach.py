"""Connect to the input and output of a container's own program.

What it wrote before is in its log. Ctrl-C ends this program, and not the container, unless the
container has a TTY, which gets it as a key.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim import config
from cri_shim.cli import daemon, which
from cri_shim.cli.arguments import CONTAINER, container_id

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

EXAMPLES = """
cri-shim attach web
cri-shim attach --no-stdin default/web/main
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-stdin", action="store_true", help="only show the output")
    parser.add_argument("container", metavar="CONTAINER", type=container_id, help=CONTAINER)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli import conversation
    from cri_shim.pb import control_pb2 as control

    settings = config.load(args.config, args.overrides)
    async with daemon.client(args, settings, patient=True) as client:
        id = await which.container(client, args.container)
        tty, takes_input = await _kind(client, id)
        stdin = takes_input and not args.no_stdin
        conversation.check_terminal(stdin=stdin, tty=tty)
        request = control.AttachRequest(
            container_id=id, stdin=stdin, stdout=True, stderr=not tty, tty=tty
        )
        url = (await client.control.Attach(request)).url
        file = settings.streaming.tls_cert_file
        certificate = Path(file) if file else None
        outcome = await conversation.converse(url, certificate, stdin=stdin, tty=tty)
    return conversation.exit_code(outcome)


async def _kind(client: "Client", id: str) -> tuple[bool, bool]:
    """Return whether the container has a terminal, and whether it takes input."""
    import json

    from cri_shim.pb import api_pb2 as api

    request = api.ContainerStatusRequest(container_id=id, verbose=True)
    info = json.loads((await client.runtime.ContainerStatus(request)).info["info"])
    return bool(info["tty"]), bool(info["stdin"])
