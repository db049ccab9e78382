"""Run a command in a new pod, show its output, and remove the pod.

This is a small CRI client: it does what the kubelet does, over the same socket. The exit code is
the container's. Ctrl-C or SIGTERM ends the container and removes the pod. There is no terminal.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.cli import daemon
from cri_shim.cli.arguments import assignment, handler, image_name
from cri_shim.cli.exit_codes import RUN_FAILED

if TYPE_CHECKING:
    from cri_shim.pb import api_pb2
    from cri_shim.rpc.client import Client

_POLL_S = 0.05  # between two checks of the container
_LOG = "0.log"


FAILED = RUN_FAILED
EXAMPLES = """
cri-shim run docker.io/library/busybox echo hello
cri-shim run --env NAME=value --runtime runc docker.io/library/busybox env
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host-network", action="store_true", help="use the network of the node")
    parser.add_argument(
        "--runtime", default="", metavar="HANDLER", type=handler, help="handler of the OCI runtime"
    )
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", type=assignment,
        help="set an environment variable; may be repeated",
    )  # fmt: skip
    parser.add_argument("image", metavar="IMAGE", type=image_name, help="pulled if it is missing")
    parser.add_argument(
        "args", nargs=argparse.REMAINDER, metavar="ARG", help="command, instead of the image's own"
    )


async def run(args: argparse.Namespace) -> int:
    logs = Path(tempfile.mkdtemp(prefix="cri-shim-run-"))
    try:
        async with daemon.client(args, patient=True) as client:
            image = await _image(client, args.image)
            # Shielded: a pod must be known to be removed, also when its creation is cancelled.
            pod = _pod_config(logs, host_network=args.host_network)
            starting = asyncio.create_task(_run_pod(client, pod, args.runtime))
            try:
                pod_id = await asyncio.shield(starting)
                return await _run_container(client, pod_id, pod, image, args)
            finally:
                await _remove(client, starting)
    finally:
        shutil.rmtree(logs, ignore_errors=True)


async def _image(client: "Client", name: str) -> str:
    """Return the id of an image; pull it if it is missing."""
    from cri_shim.pb import api_pb2 as api

    spec = api.ImageSpec(image=name)
    status = await client.image.ImageStatus(api.ImageStatusRequest(image=spec))
    if status.HasField("image"):
        return status.image.id
    return (await client.image.PullImage(api.PullImageRequest(image=spec))).image_ref


def _pod_config(logs: Path, *, host_network: bool) -> "api_pb2.PodSandboxConfig":
    from cri_shim.pb import api_pb2 as api

    uid = str(uuid.uuid4())
    name = f"run-{uid[:8]}"
    pod = api.PodSandboxConfig(
        metadata=api.PodSandboxMetadata(name=name, namespace="default", uid=uid),
        hostname="" if host_network else name,
        log_directory=str(logs),
    )
    if host_network:
        pod.linux.security_context.namespace_options.network = api.NODE
    return pod


async def _run_pod(client: "Client", pod: "api_pb2.PodSandboxConfig", handler: str) -> str:
    from cri_shim.pb import api_pb2 as api

    request = api.RunPodSandboxRequest(config=pod, runtime_handler=handler)
    return (await client.runtime.RunPodSandbox(request)).pod_sandbox_id


async def _run_container(
    client: "Client",
    pod_id: str,
    pod: "api_pb2.PodSandboxConfig",
    image: str,
    args: argparse.Namespace,
) -> int:
    """Create and start the container, copy its log, and return its exit code."""
    from cri_shim.oci.log_file import LogQuery, read
    from cri_shim.pb import api_pb2 as api

    query = api.ContainerConfig(
        metadata=api.ContainerMetadata(name="main"),
        image=api.ImageSpec(image=image, user_specified_image=args.image),
        args=args.args,
        envs=[api.KeyValue(key=key, value=os.fsencode(value)) for key, value in args.env],
        log_path=_LOG,
    )
    if args.host_network:
        query.linux.security_context.namespace_options.network = api.NODE
    made = await client.runtime.CreateContainer(
        api.CreateContainerRequest(pod_sandbox_id=pod_id, config=query, sandbox_config=pod)
    )
    id = made.container_id
    await client.runtime.StartContainer(api.StartContainerRequest(container_id=id))
    ending = asyncio.create_task(_exit_code(client, id))
    try:
        async for entry in read(Path(pod.log_directory, _LOG), LogQuery(), ending):
            stream = sys.stderr.buffer if entry.stream == "stderr" else sys.stdout.buffer
            stream.write(entry.written())
            stream.flush()
        return await ending
    finally:
        ending.cancel()


async def _exit_code(client: "Client", id: str) -> int:
    """Wait until the container has ended; return its exit code."""
    from cri_shim.pb import api_pb2 as api

    while True:
        answer = await client.runtime.ContainerStatus(api.ContainerStatusRequest(container_id=id))
        if answer.status.state == api.CONTAINER_EXITED:
            return answer.status.exit_code
        await asyncio.sleep(_POLL_S)


async def _remove(client: "Client", starting: "asyncio.Task[str]") -> None:
    """Remove the pod, also one that is being created. The caller handles an error of that."""
    from cri_shim.pb import api_pb2 as api

    await asyncio.wait([starting])
    if starting.exception() is None:
        pod_id = starting.result()
        await client.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id=pod_id))
        await client.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=pod_id))
