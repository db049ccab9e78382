"""Collects all facts that a new container depends on: its image, its pod and the node.

spec.plan decides from them. This module changes nothing. Image volumes and copies of default mounts
can be looked at only after they are made, so the caller makes them before.
"""

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from cri_shim import lifecycle
from cri_shim.containers import cdi, devices, mounts, security
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument
from cri_shim.linux.rootfs import find_in_root, read_text_in_root
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import annotated_devices, declared, namespaces, process, userns, users
from cri_shim.spec.container import ContainerInput
from cri_shim.spec.hooks import Definition
from cri_shim.spec.host import Host, HostDevice
from cri_shim.spec.image_config import ImageConfig
from cri_shim.spec.mounts import KERNELS, ResolvedMount, cleaned
from cri_shim.spec.origins import OFF, Origins
from cri_shim.spec.pod_files import ALWAYS, CONFIGURED

T = TypeVar("T")


class Look(Protocol):
    """Returns the result of a function of the path of a container's root file system."""

    async def __call__(self, work: Callable[[Path], T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made for the container before; for a plan, the paths that it would have."""

    pod_files: Mapping[str, str]  # path in the container -> on the node
    images: Mapping[int, Path]  # the mounted image volumes by their index in config.mounts
    default_mounts: Sequence[ResolvedMount]
    look: Look
    dry: bool = False  # for a plan: nothing may be made, and the pod need not exist


async def gather(
    engine: Engine,
    pod: state.PodRecord,
    container: state.ContainerRecord,
    image: ImageConfig,
    prepared: Prepared,
    origins: Origins = OFF,
) -> ContainerInput:
    """Return the facts; `origins` gets those of the user.

    InvalidArgument names the field whose object is not on the node; Unavailable the path whose file
    system does not answer.
    """
    config, handler = container.config, engine.oci.handler(container.handler)
    etc_files, default_mounts = prepared.pod_files, prepared.default_mounts
    everywhere = [*KERNELS, *etc_files, *(mount.destination for mount in default_mounts)]

    def look(root: Path) -> _Observed:
        return _look(engine, container, image, everywhere, root, origins)

    observed = await prepared.look(look)
    edits, cdi_nodes = await cdi.find(engine, config, observed.user)
    pinned = {kind: str(path) for kind, path in engine.paths.pins(pod).items()}
    return ContainerInput(
        id=container.id,
        pod_id=pod.id,
        pod=pod.config,
        config=config,
        image=image,
        user=observed.user,
        host=observed.host,
        cgroups_path=container.cgroups_path,
        namespaces=namespaces.for_container(
            config, pod.config, pinned, _target_pid_namespace(engine, pod, config)
        ),
        hostname=pod.config.hostname or socket.gethostname(),
        etc_files=etc_files,
        shm=str(engine.paths.pod(pod.id) / "shm") if "ipc" in pinned else "/dev/shm",
        mounts=await mounts.of_request(
            engine, container, prepared.images, observed.real_paths, dry=prepared.dry
        ),
        default_mounts=default_mounts,
        volumes=observed.volumes,
        real_paths=observed.real_paths,
        devices=await devices.resolve(config.devices),
        node_devices=await devices.of_node(engine.defaults.containers.devices),
        annotated_devices=await _annotated_devices(engine, pod),
        cdi_edits=edits,
        cdi_nodes=cdi_nodes,
        hooks=observed.hooks,
        rootfs=str(engine.paths.rootfs(container.id)),
        image_name=container.image_name,
        pids_limit=engine.defaults.pids_limit,
        protection=await security.of_container(engine, pod, config, load=not prepared.dry),
        handler=container.handler,
        origins=origins,
        node=engine.defaults.containers,
        of_handler=engine.defaults.of_handler(container.handler),
        rro=handler.features.rro,
        ids=userns.of_pod(pod.config) if handler.maps_ids else None,
    )


def pod_files(engine: Engine, pod: state.PodRecord) -> dict[str, str]:
    """Return the files of the pod that its containers get: path in the container -> on the node."""
    etc = engine.paths.etc(pod.id)
    added = {path: name for path, name in CONFIGURED.items() if (etc / name).exists()}
    return {path: str(etc / name) for path, name in (ALWAYS | added).items()}


async def _annotated_devices(engine: Engine, pod: state.PodRecord) -> list[HostDevice]:
    patterns = engine.defaults.of_handler(pod.handler).allowed_annotations
    allowed = engine.defaults.containers.allowed_devices
    asked = annotated_devices.requested(pod.config, patterns, allowed)
    return await devices.of_annotation(asked, annotated_devices.used(pod.config, patterns))


@dataclass(frozen=True, slots=True)
class _Observed:
    """Facts from the container's root file system and from the node's own directories."""

    user: users.User
    real_paths: Mapping[str, str]  # path in the container -> the same path without symbolic links
    volumes: Mapping[str, str]  # likewise for the image's VOLUMEs
    host: Host
    hooks: tuple[Definition, ...]


def _look(
    engine: Engine,
    container: state.ContainerRecord,
    image: ImageConfig,
    everywhere: Iterable[str],
    root: Path,
    origins: Origins,
) -> _Observed:
    """Blocks, but only on files of the daemon, of the image and of the node's administrator."""
    config = container.config
    declared.check(image.volumes)
    requested = [cleaned(mount.container_path) for mount in config.mounts]
    host = engine.host
    of_handler = engine.defaults.of_handler(container.handler)
    if config.linux.security_context.privileged and of_handler.host_devices:
        host = replace(host, devices=devices.of_host())
    return _Observed(
        user=_user(config, image, root, origins),
        real_paths=_real_paths(
            root, {process.working_directory(config, image), *requested, *everywhere}
        ),
        volumes={path: _real_path_of_volume(root, path) for path in image.volumes},
        host=host,
        hooks=engine.defaults.hooks.usable(),
    )


def _user(
    config: api.ContainerConfig, image: ImageConfig, root: Path, origins: Origins
) -> users.User:
    """Return the container's user, by the names in its own root file system."""
    try:
        passwd, group = (
            read_text_in_root(root, path, users.FILE_LIMIT)
            for path in ("/etc/passwd", "/etc/group")
        )
    except OSError as e:
        raise InvalidArgument("config.image", f"its {e.filename} is {e.strerror}") from e
    return users.resolve(config.linux.security_context, image.user, passwd, group, origins)


def _real_paths(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Resolve the symbolic links of the paths in the image; no process runs in it yet.

    The OCI runtime follows symbolic links on the way to a destination: links of the image, and
    links of volumes that it has mounted before. It stays inside the root file system, but a link
    could lead a mount over /proc, or put a volume in the place of /dev. Links of a volume may not
    lead out of it: see sources.py.
    """
    found = {}
    for path in paths:
        try:
            found[path] = find_in_root(root, path)
        except OSError:  # a loop of symbolic links: the OCI runtime reports it
            found[path] = path
    return found


def _real_path_of_volume(root: Path, path: str) -> str:
    try:
        return find_in_root(root, path)
    except OSError as e:
        raise declared.unusable(path, e) from e


def _target_pid_namespace(engine: Engine, pod: state.PodRecord, config: api.ContainerConfig) -> str:
    """Return the path of the namespace that a TARGET container joins, else ""."""
    options = config.linux.security_context.namespace_options
    if options.pid != api.TARGET:
        return ""
    target = engine.objects.find_container(options.target_id)
    field = "config.linux.security_context.namespace_options.target_id"
    if target is None or target.pod_id != pod.id:
        raise InvalidArgument(field, f"no container {options.target_id} in pod {pod.id}")
    if not lifecycle.is_running(target):
        raise InvalidArgument(field, f"container {options.target_id} is not running")
    return f"/proc/{target.init.pid}/ns/pid"  # start.py verifies the target again at the start
