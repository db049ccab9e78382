"""List the pods, containers and images of a root that no daemon has open.

python examples/list_all.py /var/lib/cri-shim /run/cri-shim
"""

import asyncio
import sys

from cri_shim import Runtime, options


async def main(root: str, run_root: str) -> None:
    async with Runtime(options.with_storage(root, run_root)) as runtime:
        for image in runtime.images():
            print("image    ", image.id[:12], f"{image.size:>12}", *image.tags)
        for pod in runtime.pods():
            ready = "ready" if pod.ready else "not ready"
            print("pod      ", pod.id[:12], ready, f"{pod.created_at:%F %T}", pod.name)
            for container in pod.containers():
                print("container", container.id[:12], container.status, container.name)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
