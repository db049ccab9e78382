"""image: pull, list, load, name and remove images in a running daemon."""

import argparse
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim import config
from cri_shim.errors import InvalidArgument, NotFound
from cri_shim.untrusted import one_line

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

_TRANSPORTS = ("docker-archive:", "oci-archive:", "oci:", "dir:")


def add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    pull = actions.add_parser("pull", help="fetch an image from its registry")
    pull.add_argument("reference")
    pull.add_argument("--creds", metavar="USER:PASSWORD", help="for the registry")
    pull.set_defaults(action=_pull)
    actions.add_parser("list", help="show the images there are").set_defaults(action=_list)
    load = actions.add_parser("load", help="take an image from an archive or directory")
    load.add_argument("source", help="a file or directory; or TRANSPORT:PATH, as skopeo has it")
    load.add_argument("name", nargs="?", default="", help="name to give it, if it brings none")
    load.set_defaults(action=_load)
    tag = actions.add_parser("tag", help="give an image one more name")
    tag.add_argument("reference")
    tag.add_argument("name")
    tag.set_defaults(action=_tag)
    remove = actions.add_parser("rm", help="remove images with all their names")
    remove.add_argument("references", nargs="+", metavar="reference")
    remove.set_defaults(action=_remove)


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
    print((await client.image.PullImage(request)).image_ref)


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


def source(text: str) -> str:
    """Return the user's source with its transport and an absolute path.

    For a plain path the contents decide: a directory with an `oci-layout` or a `manifest.json`, or
    an archive that contains one of the two.
    """
    for transport in _TRANSPORTS:
        if text.startswith(transport):
            return f"{transport}{Path(text.removeprefix(transport)).absolute()}"
    path = Path(text).absolute()
    if path.is_dir():
        kind = "oci:" if (path / "oci-layout").exists() else "dir:"
    elif path.is_file():
        kind = _archive_kind(path)
    else:
        raise InvalidArgument("source", f"{path} does not exist")
    return f"{kind}{path}"


def _archive_kind(path: Path) -> str:
    try:
        with tarfile.open(path) as archive:
            names = {name.removeprefix("./") for name in archive.getnames()}
    except (OSError, tarfile.TarError) as e:
        raise InvalidArgument("source", f"{path} is no tar archive: {e}") from e
    for mark, kind in (("manifest.json", "docker-archive:"), ("oci-layout", "oci-archive:")):
        if mark in names:
            return kind
    raise InvalidArgument("source", f"{path} holds neither manifest.json nor oci-layout: no image")


def size(count: int) -> str:
    """Format bytes for people: 1.2MB."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f}{unit}" if unit == "B" else f"{amount:.1f}{unit}"
        amount /= 1000
    return f"{amount:.1f}GB"
