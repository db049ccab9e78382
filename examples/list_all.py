"""List the pods, containers and images of a root that no daemon has open.

python examples/list_all.py /var/lib/cri-shim /run/cri-shim
"""

import asyncio
import sys
from datetime import datetime

from cri_shim import Runtime, options
from cri_shim.pb import state_pb2 as state


async def main(root: str, run_root: str) -> None:
    async with Runtime(options.with_storage(root, run_root)) as runtime:
        on = runtime.engine
        for image in on.images.list():
            print("image    ", image.id[:12], f"{image.size:>12}", *image.repo_tags)
        for pod in on.registry.pods():
            made = datetime.fromtimestamp(pod.created_at // 10**9)
            phase = state.PodPhase.Name(pod.phase).removeprefix("POD_")
            print("pod      ", pod.id[:12], phase, f"{made:%F %T}", pod.config.metadata.name)
            for container in on.registry.containers_of(pod.id):
                phase = state.ContainerPhase.Name(container.phase).removeprefix("CONTAINER_")
                print("container", container.id[:12], phase, container.config.metadata.name)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
