"""The networks that are usable now, the one that pods get, and the problems of the others.

A network is usable if its file is valid, all its plugins are installed and they share a CNI version
with the list. Each call reads everything again: this is a handful of small files, and the plugins'
VERSION answers are remembered for each binary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.errors import ConfigError, CriShimError
from cri_shim.network import conflist
from cri_shim.network.conflist import NetworkList
from cri_shim.network.exec import Plugins

_SHOWN = 3  # problems in a status message; all of them are in the log


@dataclass(frozen=True, slots=True)
class View:
    """The state of the configuration at one moment."""

    default: NetworkList | None  # the network of every pod
    message: str  # why there is none
    bundled: bool  # the default is the bundled network
    problems: tuple[str, ...]  # the unusable networks, each with the reason
    usable: tuple[NetworkList, ...] = ()


class Catalog:
    def __init__(self, directory: Path, plugins: Plugins, default_network: str) -> None:
        self._directory = directory
        self._plugins = plugins
        self._default_network = default_network

    async def load(self, own: NetworkList | None) -> View:
        """Read the directory; use `own` if it has no file and no default network is configured."""
        loaded = await offload(conflist.load, self._directory)
        steps_in = own is not None and not loaded.files and not self._default_network
        candidates = (own,) if own is not None and steps_in else loaded.networks
        problems = list(loaded.problems)
        usable: list[NetworkList] = []
        for network in candidates:
            try:
                usable.append(await self._runnable(network))
            except (CriShimError, OSError) as e:
                problems.append(f"{network.source}: {e}")
        chosen = [n for n in usable if self._default_network in ("", n.name)][:1]
        return View(
            default=chosen[0] if chosen else None,
            message="" if chosen else self._nothing(bool(candidates or loaded.files), problems),
            bundled=bool(chosen) and steps_in,
            problems=tuple(problems),
            usable=tuple(usable),
        )

    async def _runnable(self, network: NetworkList) -> NetworkList:
        """Return the list in the newest version that it and all its plugins support."""
        by_plugin: dict[str, frozenset[str]] = {}
        for plugin in network.plugins:
            by_plugin[plugin["type"]] = await self._plugins.supported_versions(plugin["type"])
            ipam = plugin.get("ipam")
            if isinstance(ipam, dict) and ipam.get("type"):
                self._plugins.find(str(ipam["type"]))
        for version in network.versions:
            if all(version in supported for supported in by_plugin.values()):
                return replace(network, version=version)
        details = "; ".join(
            f"{kind} speaks {', '.join(sorted(v))}" for kind, v in by_plugin.items()
        )
        wanted = " or ".join(network.versions)
        raise ConfigError(f"its plugins do not all speak CNI version {wanted}: {details}")

    def _nothing(self, something_there: bool, problems: Sequence[str]) -> str:
        if self._default_network:
            what = f"no usable network {self._default_network!r} in {self._directory}/"
        elif something_there:
            what = f"no usable CNI configuration in {self._directory}/"
        else:
            what = f"no CNI configuration file in {self._directory}/"
        details = ": " + "; ".join(problems[:_SHOWN]) if problems else ""
        return f"Network plugin returns error: {what}{details}. Has your network provider started?"
