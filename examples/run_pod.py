"""Run one program of an image archive in a pod, show its output, and remove the pod.

    python examples/run_pod.py /srv/example busybox.tar echo hello

As root. The archive is what `docker save` writes; it stays loaded below the directory. No daemon
is needed, and none may be running on the same directory: this process is the runtime.
"""

import asyncio
import sys
from pathlib import Path

from cri_shim import Runtime, options


async def main(directory: Path, archive: Path, command: list[str]) -> int:
    where = options.with_storage(root=directory / "root", run_root=directory / "run")
    async with Runtime(where) as runtime:
        image = (await runtime.load_image(f"docker-archive:{archive}"))[0]
        pod = await runtime.create_pod(log_directory=directory)
        try:
            container = await pod.create_container(image, command, name="main")
            await container.start()
            async for entry in container.logs(follow=True):
                out = sys.stderr if entry.stream == "stderr" else sys.stdout
                out.buffer.write(entry.written())
            return await container.wait()
        finally:
            await pod.remove(force=True)
            await runtime.shutdown(force=True)


if __name__ == "__main__":
    directory, archive, *command = sys.argv[1:]
    raise SystemExit(asyncio.run(main(Path(directory), Path(archive).absolute(), command)))
