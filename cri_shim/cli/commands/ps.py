"""List containers, the newest first.

Pod and namespace come from the pod itself; crictl takes them from the labels that a kubelet sets.
"""

import argparse
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, output, which
from cri_shim.cli.arguments import pod_id
from cri_shim.cli.endings import endings
from cri_shim.cli.listing import add_filters, age, chosen, fits, shown
from cri_shim.cli.table import Column

if TYPE_CHECKING:
    from cri_shim.pb import api_pb2

_STATES = ("created", "running", "exited", "unknown")

EXAMPLES = """
cri-shim ps
cri-shim ps -a --pod web
cri-shim ps -a --state exited -o wide
cri-shim ps -o go-template='{{range .containers}}{{.id}} {{.metadata.name}}{{"\\n"}}{{end}}'
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="include stopped containers")
    parser.add_argument("-p", "--pod", metavar="POD", type=pod_id, help="filter by pod")
    add_filters(parser, _STATES)


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import api_pb2 as api

    async with daemon.client(args) as client:
        if args.pod:
            args.pod = await which.pod(client, args.pod)
        answer = await client.runtime.ListContainers(
            api.ListContainersRequest(filter=_filter(args))
        )
        pods = (await client.runtime.ListPodSandbox(api.ListPodSandboxRequest())).items
        pods_by_id = {pod.id: pod.metadata for pod in pods}
        missing = api.PodSandboxMetadata(name="unknown", namespace="unknown")  # removed meanwhile
        homes = {row.id: pods_by_id.get(row.pod_sandbox_id, missing) for row in answer.containers}

        def passes(row: api.Container) -> bool:
            home = homes[row.id]
            return fits(args.name, row.metadata.name) and fits(args.namespace, home.namespace)

        rows = chosen(args, answer.containers, passes)
        ended = [row.id for row in rows if row.state == api.CONTAINER_EXITED]
        told = args.output in ("table", "wide") and not args.quiet
        how = await endings(client, ended if told else [])
    _show(args, rows, homes, how)
    return 0


def _filter(args: argparse.Namespace) -> "api_pb2.ContainerFilter":
    """Return the daemon's filter: running containers, unless options ask for more."""
    from cri_shim.pb import api_pb2 as api

    filter = api.ContainerFilter(pod_sandbox_id=args.pod, label_selector=dict(args.label))
    every = args.all or args.latest or args.last > 0
    if state := args.state or ("" if every else "running"):
        filter.state.state = api.ContainerState.Value(f"CONTAINER_{state.upper()}")
    return filter


def _show(
    args: argparse.Namespace,
    rows: "list[api_pb2.Container]",
    homes: "dict[str, api_pb2.PodSandboxMetadata]",
    endings: dict[str, str],
) -> None:
    from cri_shim.cli.messages import fields
    from cri_shim.pb import api_pb2 as api

    def image(row: api.Container) -> str:
        name = row.image.user_specified_image or row.image.image
        return shown(args, name) if name.startswith("sha256:") else name

    columns: list[Column[api.Container]] = [
        Column("CONTAINER", lambda row: shown(args, row.id)),
        Column("IMAGE", image, rank=2, cut=True),
        Column("CREATED", lambda row: age(row.created_at), rank=3),
        Column("STATE", lambda row: endings.get(row.id) or _state(row)),
        Column("NAME", lambda row: row.metadata.name, cut=True),
        Column("RESTARTS", lambda row: str(row.metadata.attempt), rank=4),
        Column("POD ID", lambda row: shown(args, row.pod_sandbox_id), rank=5),
        Column("POD", lambda row: homes[row.id].name, cut=True),
        Column("NAMESPACE", lambda row: homes[row.id].namespace, rank=3, cut=True),
    ]
    output.show(
        args,
        rows,
        columns,
        document=lambda: fields(api.ListContainersResponse(containers=rows)),
        id=lambda row: row.id,
        name=lambda row: "/".join([homes[row.id].namespace, homes[row.id].name, row.metadata.name]),
    )


def _state(row: "api_pb2.Container") -> str:
    from cri_shim.pb import api_pb2 as api

    return api.ContainerState.Name(row.state).removeprefix("CONTAINER_").capitalize()
