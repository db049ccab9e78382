"""Decides everything that is done for a new container, from the request and facts of the node."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from cri_shim.errors import InvalidArgument
from cri_shim.spec import cdi, container, declared, devices, hooks, process, rootless, userns
from cri_shim.spec.container import ContainerInput
from cri_shim.spec.document import Document
from cri_shim.spec.hooks import Definition
from cri_shim.spec.mounts import KERNELS
from cri_shim.spec.users import User


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a new container.

    The document has the original sources of mounts, with paths of the node: see sources.redirected.
    """

    document: Document
    user: User
    hooks: tuple[Definition, ...]  # for this container; the precreate ones have not run yet
    volumes: tuple[str, ...]  # VOLUMEs: directories that the root file system must have
    owner: tuple[int, int]  # of VOLUMEs that are made: user and group of the node
    sources: Mapping[str, str]  # of mounts -> without symbolic links; "" = made by the runtime
    idmapped: frozenset[tuple[str, str]]  # (source, destination) of mounts with the pod's ids
    real_paths: Mapping[str, str]  # destinations without the image's symbolic links


def decide(inp: ContainerInput) -> Plan:
    """Return the plan of a container; InvalidArgument names the field that cannot be served."""
    _check_working_directory(inp)
    _check_dev(inp)
    given = [mount.destination for mount in inp.default_mounts]
    everywhere = [*KERNELS, *inp.etc_files, *given]
    volumes = declared.kept(
        inp.volumes,
        requested=[_real_path(inp, mount.destination) for mount in inp.mounts],
        defaults=[*everywhere, *(_real_path(inp, path) for path in everywhere)],
    )
    readonly = inp.config.linux.security_context.readonly_rootfs
    writable = declared.writable(volumes, inp.rootfs) if readonly else []
    known = [*writable, *inp.mounts]
    ours = [*inp.etc_files.values(), inp.shm, *(mount.source for mount in inp.default_mounts)]
    document = edited(replace(inp, mounts=[*inp.default_mounts, *known]))
    return Plan(
        document=document,
        user=inp.user,
        hooks=_matching(document, inp),
        volumes=tuple(volumes),
        owner=declared.owner(userns.of_pod(inp.pod), inp.user),
        sources={mount.source: mount.source for mount in known} | dict.fromkeys(ours, ""),
        idmapped=frozenset((m.source, m.destination) for m in known if m.idmapped),
        real_paths=inp.real_paths,
    )


def edited(inp: ContainerInput) -> Document:
    """Return the document of a container with all its edits."""
    document = container.build(inp)
    for edit in EDITS:
        document = edit(document, inp)
    return document


def _with_cdi_devices(document: Document, inp: ContainerInput) -> Document:
    if inp.cdi_edits == cdi.NO_EDITS:
        return document
    return cdi.applied(document, inp.cdi_edits, inp.cdi_nodes, inp.origins)


def _for_an_unprivileged_user(document: Document, inp: ContainerInput) -> Document:
    if not inp.host.rootless:
        return document
    requested = [*inp.all_devices, *inp.cdi_nodes]
    nodes = devices.sources(requested, inp.host.devices, privileged=inp.has_host_devices)
    return rootless.adapted(document, inp.host, nodes, inp.origins)


def _with_hooks(document: Document, inp: ContainerInput) -> Document:
    return hooks.inject(document, _matching(document, inp), inp.origins)


# The order matters: a rootless runtime cannot make the device nodes of CDI either, and the
# daemon passes the result to the precreate hooks, which must see the final document.
EDITS: tuple[Callable[[Document, ContainerInput], Document], ...] = (
    _with_cdi_devices,
    _for_an_unprivileged_user,
    _with_hooks,
)


def _matching(document: Document, inp: ContainerInput) -> tuple[Definition, ...]:
    subject = hooks.subject(document, inp.pod.annotations, inp.config.mounts)
    return tuple(found for found in inp.hooks if hooks.matches(found.hook, subject))


def _real_path(inp: ContainerInput, path: str) -> str:
    return inp.real_paths.get(path, path)


def _check_working_directory(inp: ContainerInput) -> None:
    """Refuse a working directory in /proc.

    /proc/self/fd has open files of the OCI runtime, which have been directories of the node.
    """
    cwd = process.working_directory(inp.config, inp.image)
    if _real_path(inp, cwd).startswith("/proc/"):
        problem = f"{cwd!r} is in /proc, which is no place to work in"
        raise InvalidArgument("config.working_dir", problem)


def _check_dev(inp: ContainerInput) -> None:
    """Refuse a foreign /dev: OCI runtimes mount its /dev/null over the paths that they hide."""
    if inp.config.linux.security_context.privileged:
        return
    for mount in inp.mounts:
        if _real_path(inp, mount.destination) == "/dev" and mount.fstype != "devtmpfs":
            problem = f"{mount.source} is not the node's /dev, and could hold another /dev/null"
            raise InvalidArgument(f"the mount at {mount.destination}", problem)
