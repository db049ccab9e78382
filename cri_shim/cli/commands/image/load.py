"""Load an image from an archive or a directory."""

import argparse

from cri_shim.cli import daemon
from cri_shim.cli.arguments import image_source
from cri_shim.untrusted import one_line

EXAMPLES = """
cri-shim image load app.tar
cri-shim image load oci:/srv/layout registry.example/app:1.2
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="SOURCE", type=image_source,
        help="a file or directory, or TRANSPORT:PATH as skopeo has it",
    )  # fmt: skip
    parser.add_argument(
        "name", nargs="?", default="", metavar="NAME", help="name for an archive that has none"
    )


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import control_pb2

    request = control_pb2.LoadImageRequest(source=args.source, name=args.name)
    async with daemon.client(args, patient=True) as client:
        answer = await client.control.LoadImage(request)
    for image in answer.images:
        print(one_line(" ".join([image.id, *image.names])))
    return 0
