"""Where in a container its mounts and its working directory come to be.

The OCI runtime follows symbolic links on the way to a destination: those of the image, and those of
volumes that it has mounted before. It stays inside the root file system, but a link could lead a
mount over /proc, or put a volume in the place of /dev. What the image has is looked at here, when
the container is created. Links of a volume may not lead out of it: see sources.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cri_shim.aio import own_process
from cri_shim.aio.offload import offload
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.linux import sources
from cri_shim.linux.mounts import mount_with
from cri_shim.linux.rootfs import find_in_root
from cri_shim.pb import state_pb2 as state
from cri_shim.spec.mounts import ResolvedMount

Leads = Mapping[str, str]  # a path in the container -> the same without symbolic links


async def leads(engine: Engine, container: state.ContainerRecord, paths: Iterable[str]) -> Leads:
    """Where the paths lead in the image, in which nothing runs yet."""
    return await offload(_leads, engine.paths.rootfs(container.id), set(paths))


def _leads(rootfs: Path, paths: Iterable[str]) -> Leads:
    found = {}
    for path in paths:
        try:
            found[path] = find_in_root(rootfs, path)
        except OSError:  # a loop of symbolic links: the OCI runtime will say so
            found[path] = path
    return found


async def check(
    container: state.ContainerRecord, asked: Sequence[ResolvedMount], cwd: str, lead: Leads
) -> None:
    """InvalidArgument for a volume as /dev, and for a working directory in /proc.

    OCI runtimes trust /dev/null: they mount it over what is to be hidden. And /proc/self/fd has
    their own open files, which have been directories of the node.
    """
    if lead[cwd].startswith("/proc/"):
        problem = f"{cwd!r} is in /proc, which is no place to work in"
        raise InvalidArgument("config.working_dir", problem)
    if container.config.linux.security_context.privileged:
        return
    for mount in asked:
        if lead[mount.destination] == "/dev" and not await _is_of_node(mount.source):
            problem = f"{mount.source} is not the node's /dev, and could hold another /dev/null"
            raise InvalidArgument(f"the mount at {mount.destination}", problem)


async def _is_of_node(source: str) -> bool:
    (outcome,) = await own_process.ask(sources.find, [(source,)])
    if isinstance(outcome, OSError):
        return False
    return (await offload(mount_with, outcome[1], source)).fstype == "devtmpfs"
