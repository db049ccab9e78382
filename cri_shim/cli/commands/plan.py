"""Show the OCI document that a container would have, and where each field is from.

Nothing is made: no pod, no container. The files are those of crictl: JSON or YAML. The image must
be on the node.
"""

import argparse
import json
import sys
from pathlib import Path

from cri_shim.cli import daemon, output
from cri_shim.cli.arguments import handler
from cri_shim.untrusted import one_line

EXAMPLES = """
cri-shim plan pod.json container.json
cri-shim plan --runtime runc pod.yaml container.yaml
cri-shim plan -o json pod.json container.json
"""


def add(parser: argparse.ArgumentParser) -> None:
    output.add_object(parser)
    parser.add_argument("--runtime", default="", metavar="HANDLER", type=handler,
        help="handler of the OCI runtime")  # fmt: skip
    parser.add_argument("pod", metavar="POD.json", type=Path, help="PodSandboxConfig, as for runp")
    parser.add_argument(
        "container", metavar="CONTAINER.json", type=Path, help="ContainerConfig, as for create"
    )


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli import plan_text, request_file
    from cri_shim.pb import api_pb2 as api
    from cri_shim.pb import control_pb2 as control

    request = control.PlanRequest(
        sandbox_config=request_file.read(args.pod, api.PodSandboxConfig()),
        config=request_file.read(args.container, api.ContainerConfig()),
        runtime_handler=args.runtime,
    )
    async with daemon.client(args) as client:
        found = json.loads((await client.control.Plan(request)).json)
    document, origins = found["document"], found["origins"]
    output.show_object(
        args,
        {"document": document, "origins": origins},
        lambda: plan_text.text(document, origins),
    )
    for note in found["notes"]:
        print(f"cri-shim: note: {one_line(note)}", file=sys.stderr)
    return 0
