"""Runs in the node: what there is of pods and images on it, and how a test brings it there.

    python -m tests.machine.inside populate | look | processes | work | churn

Each prints one JSON object; churn works until the machine is no more.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.client import Client
from cri_shim.spec.scope import GRACE
from tests.fixtures import busybox
from tests.fixtures.cri import container_config

SOCKET = Path("/run/cri-shim/cri-shim.sock")
LOGS = Path("/var/log/machine")
WITNESS = Path("/var/lib/machine")  # what containers leave behind for the next boot
DEAF = 'trap "" TERM; while :; do sleep 600; done'
# It forks nothing when the signal comes: user-mode Linux panics at a fork that a signal cuts short.
SLOW = "trap 'sleep 3; sync; echo done >/witness/slow; sync; exit 0' TERM; sleep 6000 & wait"


async def load(client: Client) -> str:
    with tempfile.TemporaryDirectory() as directory:
        archive = busybox.archive(Path(directory) / "busybox.tar")
        request = control.LoadImageRequest(source=f"docker-archive:{archive}")
        return str((await client.control.LoadImage(request)).images[0].id)


async def run_pod(client: Client, name: str) -> str:
    metadata = api.PodSandboxMetadata(name=name, uid=f"{name}-{time.time_ns()}", namespace="test")
    config = api.PodSandboxConfig(metadata=metadata, log_directory=str(LOGS / name), hostname=name)
    config.linux.security_context.namespace_options.pid = api.CONTAINER
    answer = await client.runtime.RunPodSandbox(api.RunPodSandboxRequest(config=config))
    return str(answer.pod_sandbox_id)


async def start(client: Client, pod: str, name: str, script: str, grace: int = 1) -> str:
    mount = api.Mount(host_path=str(WITNESS), container_path="/witness")
    config = container_config(
        ["sh", "-c", script], name, mounts=[mount], annotations={GRACE: str(grace)}
    )
    request = api.CreateContainerRequest(pod_sandbox_id=pod, config=config)
    id = (await client.runtime.CreateContainer(request)).container_id
    await client.runtime.StartContainer(api.StartContainerRequest(container_id=id))
    return str(id)


async def populate(client: Client) -> dict[str, Any]:
    """A pod whose containers run, one of them deaf to SIGTERM, and one that has ended."""
    await load(client)
    pod = await run_pod(client, "web")
    containers = {
        "deaf": await start(client, pod, "deaf", DEAF, grace=2),
        "slow": await start(client, pod, "slow", SLOW, grace=20),
        "ended": await start(client, pod, "ended", "exit 3"),
    }
    request = api.ContainerStatusRequest(container_id=containers["ended"])
    while (await client.runtime.ContainerStatus(request)).status.state != api.CONTAINER_EXITED:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return {"pod": pod, **containers}


async def look(client: Client) -> dict[str, Any]:
    """The daemon's lists, and its leftovers on the node."""
    pods = (await client.runtime.ListPodSandbox(api.ListPodSandboxRequest())).items
    listed = await client.runtime.ListContainers(api.ListContainersRequest())
    containers = {}
    for container in listed.containers:
        request = api.ContainerStatusRequest(container_id=container.id)
        status = (await client.runtime.ContainerStatus(request)).status
        state = api.ContainerState.Name(status.state)
        containers[container.id] = [state, status.exit_code, status.reason, status.message]
    images = (await client.image.ListImages(api.ListImagesRequest())).images
    daemon = await client.runtime.Status(api.StatusRequest(verbose=True))
    return {
        "pods": {pod.id: api.PodSandboxState.Name(pod.state) for pod in pods},
        "containers": containers,
        "images": [tag for image in images for tag in image.repo_tags],
        "leases": [p.name for p in Path("/var/lib/cri-shim").glob("cni/networks/*/10.*")],
        "retries": json.loads(daemon.info["retries"]),
        "witness": sorted(path.name for path in WITNESS.iterdir()),
        "failed units": await asyncio.to_thread(failed_units),
    }


async def processes(client: Client) -> dict[str, Any]:
    """The first process of every running container with its start time and answer."""
    running = api.ContainerFilter(state=api.ContainerStateValue(state=api.CONTAINER_RUNNING))
    request = api.ListContainersRequest(filter=running)
    found = {}
    for container in (await client.runtime.ListContainers(request)).containers:
        asked = api.ContainerStatusRequest(container_id=container.id, verbose=True)
        pid = json.loads((await client.runtime.ContainerStatus(asked)).info["info"])["pid"]
        began = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        exec_ = api.ExecSyncRequest(container_id=container.id, cmd=["echo", "alive"], timeout=20)
        said = (await client.runtime.ExecSync(exec_)).stdout.decode()
        found[container.id] = [pid, began, said]
    return found


def failed_units() -> list[str]:
    command = ["systemctl", "--failed", "--plain", "--no-legend"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


async def work(client: Client) -> dict[str, Any]:
    """A new pod goes, from an image that is there if it is listed; then all is removed."""
    images = (await client.image.ListImages(api.ListImagesRequest())).images
    if not images:
        await load(client)
    pod = await run_pod(client, "new")
    container = await start(client, pod, "new", "while :; do sleep 1; done")
    answer = await client.runtime.ExecSync(
        api.ExecSyncRequest(container_id=container, cmd=["echo", "alive"], timeout=20)
    )
    for one in (await client.runtime.ListPodSandbox(api.ListPodSandboxRequest())).items:
        request = api.RemovePodSandboxRequest(pod_sandbox_id=one.id)
        await client.runtime.RemovePodSandbox(request)
    return {"said": answer.stdout.decode(), **await look(client)}


async def churn(client: Client) -> dict[str, Any]:
    """Pods, containers and images come and go, for as long as there is a machine."""
    while True:
        await load(client)
        pod = await run_pod(client, "churn")
        container = await start(client, pod, "churn", "exit 0")
        await client.runtime.StopContainer(api.StopContainerRequest(container_id=container))
        await client.runtime.RemovePodSandbox(api.RemovePodSandboxRequest(pod_sandbox_id=pod))
        await client.image.RemoveImage(
            api.RemoveImageRequest(image=api.ImageSpec(image=busybox.NAME))
        )


async def main(name: str) -> None:
    WITNESS.mkdir(parents=True, exist_ok=True)
    async with Client(SOCKET) as client:
        verbs = {
            "populate": populate,
            "look": look,
            "processes": processes,
            "work": work,
            "churn": churn,
        }
        print(json.dumps(await verbs[name](client)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
