"""Forward local ports to ports of a pod.

Each PORT is LOCAL:REMOTE. Without LOCAL the same port is used; an empty one is any free port. The
connections go through the daemon into the network namespace of the pod.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cri_shim import config
from cri_shim.cli import daemon, which
from cri_shim.cli.arguments import pod_id, ports
from cri_shim.errors import CriShimError, Unavailable
from cri_shim.untrusted import one_line

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

EXAMPLES = """
cri-shim port-forward web 8080:80
cri-shim port-forward --address 0.0.0.0 default/web :443
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--address", default="localhost", metavar="ADDRESS",
        help="local address to listen on (localhost)",
    )  # fmt: skip
    parser.add_argument("pod", metavar="POD", type=pod_id, help="name, ID, or unique ID prefix")
    parser.add_argument(
        "ports", nargs="+", metavar="PORT", type=ports, help="[LOCAL:]REMOTE, such as 8080:80"
    )


async def run(args: argparse.Namespace) -> int:
    settings = config.load(args.config, args.overrides)
    file = settings.streaming.tls_cert_file
    async with daemon.client(args, settings, patient=True) as client:
        pod = await which.pod(client, args.pod)
        await _check(client, pod)
        servers = []
        try:
            for local, remote in args.ports:
                handle = partial(_connection, client, pod, remote, Path(file) if file else None)
                servers.append(await _listen(args.address, local, handle))
                for socket in servers[-1].sockets:
                    host, port = socket.getsockname()[:2]
                    shown = f"[{host}]" if ":" in host else host
                    print(f"Forwarding from {shown}:{port} -> {remote}", flush=True)
            await _until_over(client, pod)
        finally:
            for server in servers:
                server.close()
    return 0


Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def _check(client: "Client", pod: str) -> None:
    """Refuse a pod to which nothing can be forwarded, before a connection needs it."""
    from cri_shim.errors import WrongState
    from cri_shim.pb import api_pb2 as api

    status = await client.runtime.PodSandboxStatus(api.PodSandboxStatusRequest(pod_sandbox_id=pod))
    if status.status.state != api.SANDBOX_READY:
        raise WrongState(f"pod {pod} is not ready: nothing can be forwarded to it")


async def _listen(address: str, port: int, handle: Handle) -> asyncio.Server:
    try:
        return await asyncio.start_server(handle, address, port)
    except OSError as e:
        reason = e.strerror or str(e)
        raise Unavailable(f"cannot listen on {address} port {port}: {reason}") from e


async def _until_over(client: "Client", pod: str) -> None:
    """Return when the pod has stopped or is gone."""
    from cri_shim.pb import api_pb2 as api

    async for event in client.runtime.GetContainerEvents(api.GetEventsRequest()):
        over = (api.CONTAINER_STOPPED_EVENT, api.CONTAINER_DELETED_EVENT)
        if event.container_id == pod and event.container_event_type in over:
            raise Unavailable(f"pod {pod} has stopped")


async def _connection(
    client: "Client",
    pod: str,
    port: int,
    certificate: Path | None,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    from cri_shim.cli.port_session import forward
    from cri_shim.pb import api_pb2 as api

    try:
        request = api.PortForwardRequest(pod_sandbox_id=pod, port=[port])
        url = (await client.runtime.PortForward(request)).url
        await forward(url, certificate, reader, writer)
    except (CriShimError, OSError) as e:
        print(f"cri-shim: {one_line(e)}", file=sys.stderr, flush=True)
    finally:
        writer.close()
