"""List pods, the newest first; also those that are being made or removed."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, output
from cri_shim.cli.listing import add_filters, age, chosen, fits, shown
from cri_shim.cli.table import Column
from cri_shim.errors import Unimplemented

if TYPE_CHECKING:
    from cri_shim.pb import api_pb2, control_pb2
    from cri_shim.rpc.client import Client

EXAMPLES = """
cri-shim pods
cri-shim pods --namespace '^kube-system$' --state ready
cri-shim pods -o wide
cri-shim pods -q --label app=shop
"""


def add(parser: argparse.ArgumentParser) -> None:
    add_filters(parser, ("ready", "notready"))


async def run(args: argparse.Namespace) -> int:
    from cri_shim.pb import api_pb2 as api

    wanted = api.PodSandboxFilter(label_selector=dict(args.label))
    if args.state:
        wanted.state.state = api.SANDBOX_READY if args.state == "ready" else api.SANDBOX_NOTREADY
    async with daemon.client(args) as client:
        answer = await client.runtime.ListPodSandbox(api.ListPodSandboxRequest(filter=wanted))
        changing = await _changing(args, client)

    def passes(pod: api.PodSandbox) -> bool:
        named = pod.metadata
        return fits(args.name, named.name) and fits(args.namespace, named.namespace)

    known = {pod.id for pod in answer.items}
    being_made = (_row(pod) for pod in changing if pod.id not in known)
    # Other forms than the table are the CRI's: it has no pod that is being made.
    more = being_made if args.output in ("table", "wide") and not args.quiet else ()
    states = {pod.id: pod.state for pod in changing}
    _show(args, chosen(args, [*answer.items, *more], passes), states)
    return 0


async def _changing(args: argparse.Namespace, client: "Client") -> "list[control_pb2.ChangingPod]":
    """Return the pods that are being made or removed; none if --state asks for other ones."""
    from cri_shim.pb import control_pb2 as control

    if args.state == "ready":
        return []
    try:
        answer = await client.control.ListChangingPods(control.ListChangingPodsRequest())
    except Unimplemented:  # an older daemon, or another CRI runtime
        return []
    wanted = dict(args.label).items()
    return [
        pod
        for pod in answer.pods
        if wanted <= dict(pod.labels).items() and not (args.state and pod.state == "Creating")
    ]


def _row(pod: "control_pb2.ChangingPod") -> "api_pb2.PodSandbox":
    from cri_shim.pb import api_pb2 as api

    metadata = api.PodSandboxMetadata(name=pod.name, namespace=pod.namespace, attempt=pod.attempt)
    return api.PodSandbox(
        id=pod.id,
        metadata=metadata,
        created_at=pod.created_at,
        runtime_handler=pod.runtime_handler,
    )


def _show(
    args: argparse.Namespace, pods: "list[api_pb2.PodSandbox]", changing: Mapping[str, str]
) -> None:
    from cri_shim.cli.messages import fields
    from cri_shim.pb import api_pb2 as api

    states = {api.SANDBOX_READY: "Ready", api.SANDBOX_NOTREADY: "NotReady"}
    columns: list[Column[api.PodSandbox]] = [
        Column("POD ID", lambda pod: shown(args, pod.id)),
        Column("CREATED", lambda pod: age(pod.created_at), rank=1),
        Column("STATE", lambda pod: changing.get(pod.id) or states[pod.state]),
        Column("NAME", lambda pod: pod.metadata.name, cut=True),
        Column("NAMESPACE", lambda pod: pod.metadata.namespace, rank=2, cut=True),
        Column("ATTEMPT", lambda pod: str(pod.metadata.attempt), rank=3),
        Column("RUNTIME", lambda pod: pod.runtime_handler or "(default)", rank=3),
    ]
    output.show(
        args,
        pods,
        columns,
        document=lambda: fields(api.ListPodSandboxResponse(items=pods)),
        id=lambda pod: pod.id,
        name=lambda pod: f"{pod.metadata.namespace}/{pod.metadata.name}",
    )
