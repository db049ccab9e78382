"""image: pull, list, load, save, name, remove and prune images in a running daemon."""

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim import config
from cri_shim.cli.arguments import image_name
from cri_shim.cli.pulls import beside, show, size
from cri_shim.errors import NotFound
from cri_shim.untrusted import one_line

if TYPE_CHECKING:
    from cri_shim.pb.api_pb2 import PullImageRequest
    from cri_shim.rpc.client import Client

_TRANSPORTS = ("docker-archive:", "oci-archive:", "oci:", "dir:")


def add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    pull = actions.add_parser("pull", help="fetch an image from its registry")
    pull.add_argument("reference")
    pull.add_argument("--creds", metavar="USER:PASSWORD", help="for the registry")
    pull.add_argument("-q", "--quiet", action="store_true", help="do not show the progress")
    pull.set_defaults(action=_pull)
    pulls = actions.add_parser("pulls", help="show the pulls that run, and how far they are")
    pulls.add_argument("--watch", action="store_true", help="until it is interrupted")
    pulls.set_defaults(action=_pulls)
    actions.add_parser("list", help="show the images there are").set_defaults(action=_list)
    load = actions.add_parser("load", help="take an image from an archive or directory")
    load.add_argument("source", help="a file or directory; or TRANSPORT:PATH, as skopeo has it")
    load.add_argument("name", nargs="?", default="", help="name to give it, if it brings none")
    load.set_defaults(action=_load)
    tag = actions.add_parser("tag", help="give an image one more name")
    tag.add_argument("reference", type=image_name)
    tag.add_argument("name")
    tag.set_defaults(action=_tag)
    remove = actions.add_parser("rm", help="remove images with all their names")
    remove.add_argument("references", nargs="+", metavar="reference", type=image_name)
    remove.set_defaults(action=_remove)
    save = actions.add_parser("save", help="write an image to an archive or directory")
    save.add_argument("reference", type=image_name)
    save.add_argument("target", help="a new file, a docker-archive; or TRANSPORT:PATH as for load")
    save.add_argument("names", nargs="*", metavar="name", help="its names there, not all its own")
    save.set_defaults(action=_save)
    prune = actions.add_parser("prune", help="remove the images that nothing uses")
    prune.add_argument("-a", "--all", action="store_true", help="also images with a tag")
    prune.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    prune.set_defaults(action=_prune)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.rpc.client import Client

    settings = config.load(args.config, args.overrides)
    async with Client(settings.server.socket, timeout=None) as client:
        await args.action(client, args)
    return 0


async def _pull(client: "Client", args: argparse.Namespace) -> None:
    from cri_shim.pb import api_pb2 as api

    request = api.PullImageRequest(image=api.ImageSpec(image=args.reference))
    if args.creds:
        user, _, password = args.creds.partition(":")
        request.auth.username, request.auth.password = user, password
    pulling = asyncio.ensure_future(_pulled(client, request))
    shown = pulling if args.quiet else beside(client, args.reference, pulling)
    print(await shown)


async def _pulled(client: "Client", request: "PullImageRequest") -> str:
    return (await client.image.PullImage(request)).image_ref


async def _pulls(client: "Client", args: argparse.Namespace) -> None:
    await show(client, watch=args.watch)


async def _list(client: "Client", args: argparse.Namespace) -> None:
    from cri_shim.pb import api_pb2 as api

    images = (await client.image.ListImages(api.ListImagesRequest())).images
    print(f"{'IMAGE ID':14}{'SIZE':>10}  NAMES")
    for image in images:
        names = ", ".join(image.repo_tags or image.repo_digests) or "none"
        id = image.id.removeprefix("sha256:")[:12]
        print(one_line(f"{id:14}{size(image.size):>10}  {names}"))


async def _load(client: "Client", args: argparse.Namespace) -> None:
    from cri_shim.pb import control_pb2

    request = control_pb2.LoadImageRequest(source=source(args.source), name=args.name)
    answer = await client.control.LoadImage(request)
    for image in answer.images:
        print(one_line(" ".join([image.id, *image.names])))


async def _tag(client: "Client", args: argparse.Namespace) -> None:
    from cri_shim.pb import control_pb2

    request = control_pb2.TagImageRequest(reference=args.reference, name=args.name)
    print(one_line((await client.control.TagImage(request)).name))


async def _remove(client: "Client", args: argparse.Namespace) -> None:
    from cri_shim.pb import api_pb2 as api

    for reference in args.references:
        image = api.ImageSpec(image=reference)
        if not (await client.image.ImageStatus(api.ImageStatusRequest(image=image))).HasField(
            "image"
        ):
            raise NotFound(f"there is no image {reference}")
        await client.image.RemoveImage(api.RemoveImageRequest(image=image))


async def _save(client: "Client", args: argparse.Namespace) -> None:
    from cri_shim.pb import control_pb2

    target = source(args.target, "docker-archive:")
    request = control_pb2.SaveImageRequest(
        reference=args.reference, target=target, names=args.names
    )
    print((await client.control.SaveImage(request)).id)


async def _prune(client: "Client", args: argparse.Namespace) -> None:
    from cri_shim.pb import control_pb2

    request = control_pb2.PruneImagesRequest(all=args.all, dry_run=args.dry_run)
    answer = await client.control.PruneImages(request)
    for image in answer.images:
        print(one_line(" ".join([image.id, *image.names])))
    print(f"{size(answer.freed)} {'would be' if args.dry_run else 'were'} freed")


def source(text: str, bare: str = "") -> str:
    """Return the user's source or target with an absolute path; `bare` is for one without kind."""
    for transport in _TRANSPORTS:
        if text.startswith(transport):
            return f"{transport}{Path(text.removeprefix(transport)).absolute()}"
    return f"{bare}{Path(text).absolute()}"
