"""Run one program of an image archive in a pod, show its output, and remove the pod.

    python examples/run_pod.py /srv/example busybox.tar echo hello

As root. The archive is what `docker save` writes; it stays loaded below the directory. No daemon
is needed, and none may be running on the same directory: this process is the runtime.
"""

import asyncio
import sys
from pathlib import Path

from cri_shim import Runtime, options
from cri_shim.containers import create, start
from cri_shim.engine import Engine
from cri_shim.pb import api_pb2 as cri
from cri_shim.pods import remove, run


async def main(directory: Path, archive: Path, command: list[str]) -> int:
    where = options.with_storage(root=directory / "root", run_root=directory / "run")
    async with Runtime(where) as runtime:
        on = runtime.engine
        image = (await on.images.load(f"docker-archive:{archive}"))[0]
        pod = cri.PodSandboxConfig(
            metadata=cri.PodSandboxMetadata(name="example", namespace="default", uid="1"),
            log_directory=str(directory),
        )
        pod_id = await run.run(on, cri.RunPodSandboxRequest(config=pod))
        try:
            return await run_container(on, pod_id, pod, image.image_id, command)
        finally:
            await remove.remove(on, pod_id)
            await runtime.shutdown(force=True)


async def run_container(
    on: Engine, pod_id: str, pod: cri.PodSandboxConfig, image: str, command: list[str]
) -> int:
    """Create, start, wait: the exit code."""
    config = cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name="main"),
        image=cri.ImageSpec(image=image),
        args=command,
        log_path="main.log",
    )
    request = cri.CreateContainerRequest(pod_sandbox_id=pod_id, config=config, sandbox_config=pod)
    id = await create.create(on, request)
    await start.start(on, id)
    await on.registry.until(id, lambda: on.registry.container(id).finished_at != 0)
    show(Path(pod.log_directory, config.log_path))
    return on.registry.container(id).exit_code


def show(log: Path) -> None:
    """A line of a CRI log is: time, stream, F (full) or P (partial), text."""
    for line in log.read_text().splitlines():
        _, stream, tag, text = line.split(" ", 3)
        out = sys.stderr if stream == "stderr" else sys.stdout
        out.write(text + ("\n" if tag == "F" else ""))


if __name__ == "__main__":
    directory, archive, *command = sys.argv[1:]
    raise SystemExit(asyncio.run(main(Path(directory), Path(archive).absolute(), command)))
