"""Run a command in a new pod and exit with its code.

The pod is removed at the end, also if this program is killed; with -d it stays, and its ID is
printed. Ctrl-C and SIGTERM are passed on to the command.
"""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any

from cri_shim import config
from cri_shim.cli import daemon
from cri_shim.cli.arguments import assignment, handler, image_name, memory, variable
from cri_shim.cli.exit_codes import RUN_FAILED, UsageError
from cri_shim.errors import NotFound
from cri_shim.untrusted import one_line

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client


FAILED = RUN_FAILED
EXAMPLES = """
cri-shim run docker.io/library/busybox echo hello
cri-shim run -it -v .:/work -w /work docker.io/library/busybox sh
cri-shim run -d --name web -p 8080:80 -m 256m docker.io/library/nginx
"""


def add(parser: argparse.ArgumentParser) -> None:
    flag = parser.add_argument
    many: dict[str, Any] = {"action": "append", "default": []}
    flag("-i", "--interactive", action="store_true", help="keep stdin open")
    flag("-t", "--tty", action="store_true", help="allocate a TTY")
    flag("-d", "--detach", action="store_true", help="print the pod's ID and leave it running")
    flag("--rm", action="store_true", help="with -d: remove the pod when the command has ended")
    flag("--name", default="", help="name of the pod (run- and 8 digits)")
    flag(
        "-e",
        "--env",
        type=variable,
        metavar="NAME[=VALUE]",
        help="set an environment variable",
        **many,
    )
    flag("-v", "--volume", metavar="HOST:DIR[:ro]", help="mount a path of the node", **many)
    flag("-p", "--publish", metavar="[[IP:]PORT:]PORT", help="make a port reachable", **many)
    flag("-w", "--workdir", default="", metavar="DIR", help="working directory")
    flag("-u", "--user", default="", metavar="USER[:GROUP]", help="name or id, and group id")
    flag("-m", "--memory", type=memory, default=0, metavar="SIZE", help="limit, such as 512m")
    flag("--cpus", type=float, default=0.0, metavar="NUMBER", help="limit, such as 1.5")
    flag("-l", "--label", type=assignment, metavar="KEY=VALUE", help="a label", **many)
    flag("--entrypoint", metavar="COMMAND", help="replaces the image's ENTRYPOINT and CMD")
    flag("--hostname", default="", metavar="NAME", help="host name in the pod (its name)")
    flag("--network", choices=("pod", "host"), default="pod", help="host: the node's own network")
    flag("--host-network", dest="network", action="store_const", const="host",
         help="the same as --network host")  # fmt: skip
    flag("--privileged", action="store_true", help="all capabilities and devices of the node")
    flag("--read-only", action="store_true", help="make the root file system read-only")
    flag("--cap-add", metavar="CAPABILITY", help="give a capability, or ALL", **many)
    flag("--cap-drop", metavar="CAPABILITY", help="take a capability, or ALL", **many)
    flag("--pull", choices=("missing", "always", "never"), default="missing",
         help="when to pull the image (missing)")  # fmt: skip
    flag("-q", "--quiet", action="store_true", help="do not show the progress of a pull")
    flag("--runtime", default="", metavar="HANDLER", type=handler,
         help="handler of the OCI runtime")  # fmt: skip
    flag("image", metavar="IMAGE", type=image_name, help="pulled if it is missing")
    rest = flag("args", nargs=argparse.REMAINDER, metavar="ARG", help="replaces CMD of the image")
    rest.required = False  # for argparse's error


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli import conversation, run_request
    from cri_shim.cli.interrupts import Interrupts
    from cri_shim.cli.run_pod import RunPod

    if not args.detach:
        conversation.check_terminal(stdin=args.interactive, tty=args.tty)
    if not args.interactive:
        conversation.tell_unread_input()
    pod = run_request.pod(args)
    run_request.container(args, args.image)  # refuses bad values before anything is done
    settings = config.load(args.config, args.overrides)
    async with daemon.client(args, settings, patient=True) as client, Interrupts() as signals:
        pulling = asyncio.create_task(_image(client, args))
        if await signals.or_done(pulling, None):
            pulling.cancel()
            await asyncio.gather(pulling, return_exceptions=True)
            return 128 + (signals.first or 0)
        container = run_request.container(args, await pulling)
        running = RunPod(client, settings, signals)
        try:
            return await running.run(pod, container, args)
        finally:
            await running.end()


async def _image(client: "Client", args: argparse.Namespace) -> str:
    """Return the id of the image; pull it as --pull says, and show the progress."""
    from cri_shim.cli.pulls import beside
    from cri_shim.pb import api_pb2 as api

    if not args.image:
        raise UsageError("the image name is empty")
    spec = api.ImageSpec(image=args.image)
    if args.pull != "always":
        status = await client.image.ImageStatus(api.ImageStatusRequest(image=spec))
        if status.HasField("image"):
            return str(status.image.id)
        if args.pull == "never":
            raise NotFound(f"image {args.image} is not on this node, and --pull is never")

    async def pull() -> str:
        return str((await client.image.PullImage(api.PullImageRequest(image=spec))).image_ref)

    if args.quiet:
        return await pull()
    print(one_line(f"pulling {args.image}"), file=sys.stderr)
    return await beside(client, args.image, asyncio.ensure_future(pull()))
