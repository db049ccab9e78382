"""ps: list containers, with crictl's columns and filters.

Pod and namespace come from the pod itself; crictl takes them from the labels that a kubelet sets.
"""

import argparse
from typing import TYPE_CHECKING

from cri_shim import config
from cri_shim.cli.arguments import pod_id
from cri_shim.cli.listing import add_filters, age, chosen, fits, shown, table

if TYPE_CHECKING:
    from cri_shim.pb import api_pb2

_HEAD = (
    "CONTAINER", "IMAGE", "CREATED", "STATE", "NAME", "ATTEMPT", "POD ID", "POD", "NAMESPACE"
)  # fmt: skip
_STATES = ("created", "running", "exited", "unknown")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="not only those that run")
    parser.add_argument("-p", "--pod", metavar="ID", type=pod_id, help="of this pod")
    add_filters(parser, _STATES)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli.messages import text
    from cri_shim.pb import api_pb2 as api
    from cri_shim.rpc.client import Client

    settings = config.load(args.config, args.overrides)
    async with Client(settings.server.socket) as client:
        answer = await client.runtime.ListContainers(
            api.ListContainersRequest(filter=_filter(args))
        )
        pods = (await client.runtime.ListPodSandbox(api.ListPodSandboxRequest())).items
    pods_by_id = {pod.id: pod.metadata for pod in pods}
    missing = api.PodSandboxMetadata(name="unknown", namespace="unknown")  # removed meanwhile

    def home(row: api.Container) -> api.PodSandboxMetadata:
        return pods_by_id.get(row.pod_sandbox_id, missing)

    def passes(row: api.Container) -> bool:
        return fits(args.name, row.metadata.name) and fits(args.namespace, home(row).namespace)

    rows = chosen(args, answer.containers, passes)
    if args.quiet:
        print("".join(f"{row.id}\n" for row in rows), end="")
    elif args.output == "json":
        print(text(api.ListContainersResponse(containers=rows)))
    else:
        print(table(_HEAD, [_cells(args, row, home(row)) for row in rows]))
    return 0


def _filter(args: argparse.Namespace) -> "api_pb2.ContainerFilter":
    """Return the daemon's filter: running containers, unless options ask for more."""
    from cri_shim.pb import api_pb2 as api

    filter = api.ContainerFilter(pod_sandbox_id=args.pod, label_selector=dict(args.label))
    every = args.all or args.latest or args.last > 0
    if state := args.state or ("" if every else "running"):
        filter.state.state = api.ContainerState.Value(f"CONTAINER_{state.upper()}")
    return filter


def _cells(
    args: argparse.Namespace, row: "api_pb2.Container", home: "api_pb2.PodSandboxMetadata"
) -> tuple[str, ...]:
    from cri_shim.pb import api_pb2 as api

    image = row.image.user_specified_image or row.image.image
    return (
        shown(args, row.id),
        shown(args, image) if image.startswith("sha256:") else image,
        age(row.created_at),
        api.ContainerState.Name(row.state).removeprefix("CONTAINER_").capitalize(),
        row.metadata.name,
        str(row.metadata.attempt),
        shown(args, row.pod_sandbox_id),
        home.name,
        home.namespace,
    )
