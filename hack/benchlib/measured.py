"""The life of a pod over the CRI socket, step by step, by a plain synchronous gRPC client."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.stub import CONTROL, RUNTIME, Stub
from hack.benchlib.figures import Samples
from tests.fixtures import busybox

IMAGE = "localhost/busybox:bench"
COMMAND = ["sleep", "1000000"]
EXEC = ["true"]
CALL_S = 60.0
CREW = 10  # workers of a parallel part
NAMESPACE = "bench"  # of the pods
UP = ("RunPodSandbox", "CreateContainer", "StartContainer")
DOWN = ("StopContainer", "RemoveContainer", "StopPodSandbox", "RemovePodSandbox")

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Pod:
    """A running pod with one container."""

    id: str
    container: str


class Cri:
    """The steps; each is timed into `samples` under the name of its RPC."""

    def __init__(self, channel: grpc.Channel, runtime: str, logs: Path) -> None:
        self._stub = Stub(channel, RUNTIME)
        self._control = Stub(channel, CONTROL)
        self._handler = runtime
        self._logs = logs

    def load_image(self, directory: Path) -> None:
        archive = busybox.archive(directory / "image.tar", name=IMAGE)
        request = control.LoadImageRequest(source=f"docker-archive:{archive}", name=IMAGE)
        self._control.LoadImage(request, timeout=CALL_S)

    def up(self, samples: Samples | None = None) -> Pod:
        """Call RunPodSandbox, CreateContainer and StartContainer."""
        number = next(_numbers)
        pod = _pod_config(number, self._logs)
        run = api.RunPodSandboxRequest(config=pod, runtime_handler=self._handler)
        id = self._timed("RunPodSandbox", run, samples).pod_sandbox_id
        create = api.CreateContainerRequest(
            pod_sandbox_id=id, config=_container_config(), sandbox_config=pod
        )
        container = self._timed("CreateContainer", create, samples).container_id
        start = api.StartContainerRequest(container_id=container)
        self._timed("StartContainer", start, samples)
        return Pod(id, container)

    def exec(self, pod: Pod, samples: Samples) -> None:
        request = api.ExecSyncRequest(container_id=pod.container, cmd=EXEC, timeout=10)
        answer = self._timed("ExecSync", request, samples)
        if answer.exit_code:
            raise RuntimeError(f"the command in {pod.container} failed: {answer}")

    def down(self, pod: Pod, samples: Samples | None = None) -> None:
        """Stop at once (SIGKILL, because its init has no handler), and remove everything."""
        c, p = pod.container, pod.id
        self._timed("StopContainer", api.StopContainerRequest(container_id=c, timeout=0), samples)
        self._timed("RemoveContainer", api.RemoveContainerRequest(container_id=c), samples)
        self._timed("StopPodSandbox", api.StopPodSandboxRequest(pod_sandbox_id=p), samples)
        self._timed("RemovePodSandbox", api.RemovePodSandboxRequest(pod_sandbox_id=p), samples)

    def remove_mine(self) -> None:
        """Remove every pod of this benchmark, also after an error."""
        pods = self._stub.ListPodSandbox(api.ListPodSandboxRequest(), timeout=CALL_S).items
        for pod in (pod for pod in pods if pod.metadata.namespace == NAMESPACE):
            request = api.RemovePodSandboxRequest(pod_sandbox_id=pod.id)
            self._stub.RemovePodSandbox(request, timeout=CALL_S)

    def _timed(self, name: str, request: Any, samples: Samples | None) -> Any:
        call = getattr(self._stub, name)
        begin = time.perf_counter()
        answer = call(request, timeout=CALL_S)
        if samples is not None:
            samples.add(name, time.perf_counter() - begin)
        return answer


def in_parallel(
    workers: int, work: Callable[[Any], Any], over: list[Any]
) -> tuple[list[Any], float]:
    """Return the results of `work`, and the seconds for all of them."""
    with ThreadPoolExecutor(workers) as pool:
        begin = time.perf_counter()
        results = list(pool.map(work, over))
        return results, time.perf_counter() - begin


@contextmanager
def connect(socket: Path) -> Iterator[grpc.Channel]:
    options = [("grpc.default_authority", "localhost")]
    with grpc.insecure_channel(f"unix://{socket}", options=options) as channel:
        grpc.channel_ready_future(channel).result(timeout=CALL_S)
        yield channel


def _pod_config(number: int, logs: Path) -> api.PodSandboxConfig:
    name = f"bench{number}"
    config = api.PodSandboxConfig(
        metadata=api.PodSandboxMetadata(name=name, uid=name, namespace=NAMESPACE),
        hostname=name,
        log_directory=str(logs / name),
    )
    config.linux.security_context.namespace_options.pid = api.CONTAINER
    return config


def _container_config() -> api.ContainerConfig:
    config = api.ContainerConfig(
        metadata=api.ContainerMetadata(name="main"),
        image=api.ImageSpec(image=IMAGE),
        command=COMMAND,
        log_path="main.log",
    )
    config.linux.security_context.namespace_options.pid = api.CONTAINER
    return config
