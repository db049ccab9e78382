"""Finds device nodes on this host; spec.devices decides how a container gets them."""

from collections.abc import Sequence

from cri_shim.aio import own_process
from cri_shim.errors import InvalidArgument
from cri_shim.linux import devices as linux_devices
from cri_shim.pb import api_pb2 as api
from cri_shim.spec import devices as spec_devices
from cri_shim.spec.host import HostDevice


async def resolve(devices: Sequence[api.Device]) -> list[HostDevice]:
    """Find each device, following symlinks; a directory means every device below it (CRI: Device).

    InvalidArgument names the field of a path that does not exist or is no device. Unavailable names
    the path whose file system does not answer.
    """
    items = [(device.host_path,) for device in devices]
    outcomes = await own_process.ask(linux_devices.find, items)
    found: list[HostDevice] = []
    for n, (device, outcome) in enumerate(zip(devices, outcomes, strict=True)):
        if isinstance(outcome, OSError):
            problem = f"{device.host_path}: {outcome.strerror}"
            raise InvalidArgument(f"config.devices[{n}].host_path", problem) from outcome
        nodes = {below: on_host(node) for below, node in outcome.items() if node[1] != "p"}
        found += spec_devices.resolve(n, device, nodes)
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
