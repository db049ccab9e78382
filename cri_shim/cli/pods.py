"""pods: list pods, with crictl's columns and filters."""

import argparse

from cri_shim import config
from cri_shim.cli.listing import add_filters, age, chosen, fits, shown, table

_HEAD = ("POD ID", "CREATED", "STATE", "NAME", "NAMESPACE", "ATTEMPT", "RUNTIME")


def add(parser: argparse.ArgumentParser) -> None:
    add_filters(parser, ("ready", "notready"))


async def run(args: argparse.Namespace) -> int:
    from cri_shim.cli.messages import text
    from cri_shim.pb import api_pb2 as api
    from cri_shim.rpc.client import Client

    wanted = api.PodSandboxFilter(label_selector=dict(args.label))
    if args.state:
        wanted.state.state = api.SANDBOX_READY if args.state == "ready" else api.SANDBOX_NOTREADY
    settings = config.load(args.config, args.overrides)
    async with Client(settings.server.socket) as client:
        answer = await client.runtime.ListPodSandbox(api.ListPodSandboxRequest(filter=wanted))

    def passes(pod: api.PodSandbox) -> bool:
        named = pod.metadata
        return fits(args.name, named.name) and fits(args.namespace, named.namespace)

    pods = chosen(args, answer.items, passes)
    if args.quiet:
        print("".join(f"{pod.id}\n" for pod in pods), end="")
    elif args.output == "json":
        print(text(api.ListPodSandboxResponse(items=pods)))
    else:
        states = {api.SANDBOX_READY: "Ready", api.SANDBOX_NOTREADY: "NotReady"}
        rows = [
            (
                shown(args, pod.id),
                age(pod.created_at),
                states[pod.state],
                pod.metadata.name,
                pod.metadata.namespace,
                str(pod.metadata.attempt),
                pod.runtime_handler or "(default)",
            )
            for pod in pods
        ]
        print(table(_HEAD, rows))
    return 0
