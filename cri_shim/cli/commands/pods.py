"""List pods, the newest first."""

import argparse
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, output
from cri_shim.cli.listing import add_filters, age, chosen, fits, shown
from cri_shim.cli.table import Column

if TYPE_CHECKING:
    from cri_shim.pb import api_pb2

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

    def passes(pod: api.PodSandbox) -> bool:
        named = pod.metadata
        return fits(args.name, named.name) and fits(args.namespace, named.namespace)

    _show(args, chosen(args, answer.items, passes))
    return 0


def _show(args: argparse.Namespace, pods: "list[api_pb2.PodSandbox]") -> None:
    from cri_shim.cli.messages import fields
    from cri_shim.pb import api_pb2 as api

    states = {api.SANDBOX_READY: "Ready", api.SANDBOX_NOTREADY: "NotReady"}
    columns: list[Column[api.PodSandbox]] = [
        Column("POD ID", lambda pod: shown(args, pod.id)),
        Column("CREATED", lambda pod: age(pod.created_at), rank=1),
        Column("STATE", lambda pod: states[pod.state]),
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
