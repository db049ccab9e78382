"""Finds device nodes on this host; spec.devices decides how a container gets them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from cri_shim.aio import own_process
from cri_shim.errors import CriShimError, InvalidArgument, WrongState
from cri_shim.linux import devices as linux_devices
from cri_shim.pb import api_pb2 as api
from cri_shim.spec import annotated_devices, origins
from cri_shim.spec import devices as spec_devices
from cri_shim.spec.host import HostDevice


async def resolve(devices: Sequence[api.Device]) -> list[HostDevice]:
    """Find each device, following symlinks; a directory means every device below it (CRI: Device).

    InvalidArgument names the field of a path that does not exist or is no device. Unavailable names
    the path whose file system does not answer.
    """
    return await _found(
        devices,
        lambda n, problem: InvalidArgument(f"config.devices[{n}].host_path", problem),
        lambda n: origins.cri(f"config.devices[{n}]"),
    )


async def of_annotation(devices: Sequence[api.Device], name: str) -> list[HostDevice]:
    """Find each device of the pod's annotation `name`; errors as for `resolve`."""
    field, origin = annotated_devices.field(name), origins.of_annotation(name)
    return await _found(
        devices, lambda n, problem: InvalidArgument(field, problem), lambda n: origin
    )


async def of_node(devices: Sequence[api.Device]) -> list[HostDevice]:
    """Find each of containers.additional_devices; WrongState: the request is not to blame."""
    key = "containers.additional_devices"
    remedy = f"make the device, or take it out of {key}"
    return await _found(
        devices,
        lambda n, problem: WrongState(f"{problem}; {remedy}"),
        lambda n: origins.default(key),
    )


async def _found(
    devices: Sequence[api.Device],
    error: Callable[[int, str], CriShimError],
    origin: Callable[[int], str],
) -> list[HostDevice]:
    """Find each device; `error` makes the error of one, by its number and its problem."""
    if not devices:
        return []
    items = [(device.host_path,) for device in devices]
    outcomes = await own_process.ask(linux_devices.find, items)
    found: list[HostDevice] = []
    for n, (device, outcome) in enumerate(zip(devices, outcomes, strict=True)):
        if isinstance(outcome, OSError):
            raise error(n, f"{device.host_path}: {outcome.strerror}") from outcome
        nodes = {below: on_host(node) for below, node in outcome.items() if node[1] != "p"}
        if not nodes:
            raise error(n, f"no device at {device.host_path!r}")
        chosen = spec_devices.resolve(device, nodes)
        found += [replace(node, origin=origin(n)) for node in chosen]
    return found


def of_host() -> tuple[HostDevice, ...]:
    """Return every device node of this host, for a privileged container; blocks."""
    return tuple(map(on_host, linux_devices.of_host().values()))


def on_host(node: linux_devices.Node) -> HostDevice:
    """Convert the node to the type that spec uses."""
    path, kind, major, minor, mode, uid, gid = node
    return HostDevice(
        path=path, type=kind, major=major, minor=minor, mode=mode, uid=uid, gid=gid, source=path
    )  # fmt: skip
