"""The verbs of CNI over the plugins of one network list: ADD, DEL, STATUS, GC.

ADD calls the plugins in the order of the list; each gets the result of the one before. DEL calls
them in reverse order and tries every plugin, even if others fail, because each has its own state.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cri_shim.aio.cleanup import raise_all, run_all
from cri_shim.errors import TimedOut, ToolFailed
from cri_shim.faults import fault_point
from cri_shim.linux.nsenter import is_pinned
from cri_shim.network import result, versions
from cri_shim.network.conflist import NetworkList, Plugin
from cri_shim.network.exec import Plugins, Target
from cri_shim.network.result import Result
from cri_shim.untrusted import printable

# Limits in seconds of a verb for a whole list. Those of ADD and DEL are keys in config/schema.py.
STATUS_S, GC_S = 10.0, 60.0
LEAST_S = 1.0  # that a plugin gets for DEL even if those before it took all the time


@dataclass(frozen=True, slots=True)
class Attachment:
    """One pod on one network: all data that the verbs need."""

    container_id: str
    netns: str
    interface: str
    args: tuple[tuple[str, str], ...]
    network: NetworkList  # its plugins have their runtimeConfig
    skipped: frozenset[str] = frozenset()  # plugin types that are not called

    @property
    def plugins(self) -> list[Plugin]:
        return [plugin for plugin in self.network.plugins if plugin["type"] not in self.skipped]

    def target(self, *, netns: str | None = None) -> Target:
        args = ";".join(f"{key}={value}" for key, value in self.args)
        return Target(
            self.container_id, self.netns if netns is None else netns, self.interface, args
        )


async def add(plugins: Plugins, at: Attachment, limit: float) -> Result:
    """Attach; return the last plugin's result. After a failure `delete` removes the remains."""
    clock = _Clock(limit)
    previous: Result | None = None
    for plugin in at.plugins:
        fault_point("network.attach.add")
        out = await plugins.call(
            "ADD", plugin, network=at.network.name, version=at.network.version,
            target=at.target(), extra=_previous(previous), timeout=clock.left(),
        )  # fmt: skip
        try:
            previous = result.parse(out, at.network.version)
        except ValueError as e:
            raise ToolFailed(
                f"CNI plugin {plugin['type']}: ADD of network {at.network.name} for pod"
                f" {at.container_id}: its result is unreadable: {e}: {out[:200]!r}"
            ) from e
    if previous is None:
        raise ToolFailed(f"network {at.network.name}: no plugin is left to run ADD of")
    return previous


def addresses(at: Attachment, final: Result) -> list[str]:
    """Return the addresses that ADD gave the pod, primary first.

    ToolFailed if there is none: the kubelet considers a pod without an address broken, and would
    replace it forever.
    """
    ips = result.pod_ips(final, at.interface)
    if not ips:
        raise ToolFailed(
            f"network {at.network.name} gave pod {at.container_id} no address: the result of its"
            " ADD has none that belongs to the pod's interface; correct the `ipam` of its plugins."
            f" The result: {printable(result_json(final).decode())}"
        )
    return ips


async def delete(
    plugins: Plugins, at: Attachment, previous: Mapping[str, Any] | None, limit: float
) -> None:
    """Detach, in reverse order; every plugin is tried, with its share of the time left.

    `previous` is the final result of ADD if it is known. A network namespace that is gone is not
    passed on (CNI: "may be omitted for DEL"). ToolFailed has all errors.
    """
    clock = _Clock(limit)
    target = at.target(netns=at.netns if is_pinned(Path(at.netns)) else "")
    extra = _previous(_in_version(previous, at.network.version))
    left = at.plugins

    async def next_one() -> None:
        share = clock.share(len(left))
        plugin = left.pop()
        fault_point("network.detach.delete")
        await plugins.call(
            "DEL", plugin, network=at.network.name, version=at.network.version,
            target=target, extra=extra, timeout=share,
        )  # fmt: skip

    failures = await run_all([("", next_one)] * len(left))
    raise_all(f"detaching pod {at.container_id} from network {at.network.name}", failures)


async def status(plugins: Plugins, network: NetworkList, limit: float) -> None:
    """Ask every plugin whether it would accept an ADD now; raise its error. Only with CNI 1.1."""
    if not versions.at_least(network.version, "1.1.0"):
        return
    clock = _Clock(limit)
    for plugin in network.plugins:
        await plugins.call(
            "STATUS", plugin, network=network.name, version=network.version, timeout=clock.left()
        )


async def gc(
    plugins: Plugins, network: NetworkList, valid: Iterable[tuple[str, str]], limit: float
) -> None:
    """Let the plugins free all but the (container id, interface) pairs of `valid`. CNI 1.1."""
    if network.disable_gc or not versions.at_least(network.version, "1.1.0"):
        return
    attachments = [{"containerID": id, "ifname": interface} for id, interface in valid]
    extra = {"cni.dev/valid-attachments": attachments, "cni.dev/attachments": attachments}
    clock = _Clock(limit)

    async def ask(plugin: Plugin) -> None:
        fault_point("network.gc.call")
        await plugins.call(
            "GC", plugin, network=network.name, version=network.version,
            extra=extra, timeout=clock.left(),
        )  # fmt: skip

    failures = await run_all(("", partial(ask, plugin)) for plugin in network.plugins)
    raise_all(f"GC of network {network.name}", failures)


def result_json(final: Result) -> bytes:
    return json.dumps(final, separators=(",", ":")).encode()


class _Clock:
    """A time limit that several calls share."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._end = asyncio.get_running_loop().time() + limit

    def left(self) -> float:
        left = self._end - asyncio.get_running_loop().time()
        if left <= 0:
            raise TimedOut(f"the plugins before it used up the limit of {self._limit:g} s")
        return left

    def share(self, calls: int) -> float:
        """Return an equal part of the rest for each of `calls`: a hung plugin blocks no other."""
        left = self._end - asyncio.get_running_loop().time()
        return max(left / calls, LEAST_S)


def _previous(final: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if final is None else {"prevResult": final}


def _in_version(final: Mapping[str, Any] | None, version: str) -> Result | None:
    """Return the result for DEL; None before 0.4.0, and for a broken result."""
    if final is None or not versions.at_least(version, "0.4.0"):
        return None
    try:
        return result.convert(final, version)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
