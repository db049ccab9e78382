"""Network lists: the files of the CNI configuration directory, read and checked.

Files that end in .conflist have a list of plugins; .conf and .json have a single plugin, which is
wrapped into a list of one. They are sorted by name; if two have the same network name, the first is
used. An unusable file is a problem to report, never a reason to fail.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim import untrusted
from cri_shim.errors import ConfigError
from cri_shim.network import versions
from cri_shim.network.driver import Listed
from cri_shim.untrusted import printable, reason

MAX_FILE = 1 << 20  # bytes; real ones have some hundred
MAX_NAME = 150  # of a network: with a container's id it is the name of a file in the cache
NAME_MAX = 255  # bytes of a file name, the limit of file systems
SUFFIXES = (".conflist", ".conf", ".json")

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")

Plugin = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NetworkList:
    """One network: its plugins in the order of ADD."""

    name: str
    version: str  # the version in which the plugins are called
    versions: tuple[str, ...]  # all versions that may be chosen, newest first
    plugins: tuple[Plugin, ...]
    source: str = ""  # the file from which it was read
    disable_check: bool = False
    disable_gc: bool = False

    def listed(self) -> Listed:
        return Listed(
            self.name, self.source, self.version, tuple(plugin["type"] for plugin in self.plugins)
        )

    def to_json(self) -> bytes:
        """Return the list as it is recorded and cached; `from_json` reads it back."""
        document = {
            "cniVersion": self.version,
            "name": self.name,
            "disableCheck": self.disable_check,
            "disableGC": self.disable_gc,
            "plugins": self.plugins,
        }
        return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Loaded:
    """The content of a configuration directory."""

    files: int  # configuration files, good or bad
    networks: tuple[NetworkList, ...]
    problems: tuple[str, ...]  # "FILE: why it is not used"


def from_json(data: bytes) -> NetworkList:
    """Parse a list from a record or from the package; raises ConfigError."""
    return parse_list(_decode(data, "network list"), "")


def load(directory: Path) -> Loaded:
    """Read every configuration file of `directory`; a missing directory counts as empty."""
    try:
        found = untrusted.names(directory, SUFFIXES)
    except (FileNotFoundError, NotADirectoryError):
        return Loaded(0, (), ())
    except (OSError, ValueError) as e:
        return Loaded(0, (), (printable(f"{directory}: {reason(e)}"),))
    files = [directory / name for name in found if not os.path.isdir(directory / name)]  # noqa: PTH112
    networks: dict[str, NetworkList] = {}
    problems: list[str] = []
    for path in files:
        try:
            network = read(path)
        except ConfigError as e:
            problems.append(printable(e))
            continue
        if network.name in networks:
            first = networks[network.name].source
            known = f"{path}: network {network.name!r} is already defined by {first}"
            problems.append(printable(known))
        else:
            networks[network.name] = network
    return Loaded(len(files), tuple(networks.values()), tuple(problems))


def read(path: Path) -> NetworkList:
    """Read one configuration file as a network list; raises ConfigError with the file."""
    document = _decode(_content(path), str(path))
    if path.suffix == ".conflist":
        return parse_list(document, str(path))
    if "plugins" in document and "type" not in document:
        raise ConfigError(f"{path}: no 'type'; a list of plugins needs the ending .conflist")
    wrapped = {
        "cniVersion": document.get("cniVersion", ""),
        "name": document.get("name"),
        "plugins": [document],
        "loadOnlyInlinedPlugins": True,
    }
    return parse_list(wrapped, str(path))


def parse_list(document: Mapping[str, Any], source: str) -> NetworkList:
    """Check a decoded list; raises ConfigError with the file and the key."""
    where = source or "network list"
    name = document.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise ConfigError(
            f"{where}: name {printable(repr(name))} is not a network name"
            f" (letters, digits, _.-, at most {MAX_NAME})"
        )
    try:
        candidates = versions.usable(_declared_versions(document))
    except ValueError as e:
        raise ConfigError(f"{where}: cniVersion: {e}") from e
    inlined = document.get("plugins", [])
    if not isinstance(inlined, list):
        raise ConfigError(f"{where}: plugins is not a list")
    plugins = [*inlined, *_plugins_beside(document, source, name)]
    if not plugins:
        raise ConfigError(f"{where}: plugins: at least one plugin is needed")
    for n, plugin in enumerate(plugins):
        _check_plugin(plugin, f"{where}: plugins[{n}]")
    return NetworkList(
        name=name,
        version=candidates[0],
        versions=candidates,
        plugins=tuple(plugins),
        source=source,
        disable_check=_flag(document, "disableCheck", where),
        disable_gc=_flag(document, "disableGC", where),
    )


def _declared_versions(document: Mapping[str, Any]) -> list[str]:
    several = document.get("cniVersions") or []
    if not isinstance(several, list):
        raise ValueError("cniVersions is not a list")  # noqa: TRY004
    single = document.get("cniVersion", "")
    declared = [*several, single] if single or not several else several
    if not all(isinstance(version, str) for version in declared):
        raise ValueError(f"{printable(declared)} are not all strings")
    return declared


def _check_plugin(plugin: Any, where: str) -> None:
    if not isinstance(plugin, dict):
        raise ConfigError(f"{where} is not an object")
    _check_type(plugin.get("type"), f"{where}.type")
    ipam = plugin.get("ipam")
    if isinstance(ipam, dict) and ipam.get("type"):
        _check_type(ipam["type"], f"{where}.ipam.type")
    if not isinstance(plugin.get("capabilities") or {}, dict):
        raise ConfigError(f"{where}.capabilities is not an object")


def _check_type(kind: Any, where: str) -> None:
    named = isinstance(kind, str) and kind.isprintable() and 0 < len(os.fsencode(kind)) <= NAME_MAX
    if not named or "/" in kind or kind in (".", ".."):
        raise ConfigError(f"{where}: {printable(repr(kind))} is not the file name of a plugin")


def _plugins_beside(document: Mapping[str, Any], source: str, name: str) -> list[Any]:
    """Return the plugins in DIR/<network name>/*.conf (CNI 1.1), unless loadOnlyInlinedPlugins."""
    if not source or _flag(document, "loadOnlyInlinedPlugins", source):
        return []
    beside = Path(source).parent / name
    try:
        files = untrusted.names(beside, (".conf",))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError) as e:
        raise ConfigError(f"{beside}: {reason(e)}") from e
    return [_decode(_content(beside / file), str(beside / file)) for file in files]


def _flag(document: Mapping[str, Any], key: str, where: str) -> bool:
    value = document.get(key, False)
    if isinstance(value, str) and value.lower() in ("true", "false"):  # libcni accepts both types
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ConfigError(f"{where}: {key}: {printable(repr(value))} is not true or false")
    return value


def _content(path: Path) -> bytes:
    try:
        return untrusted.read_file(path, MAX_FILE)
    except (OSError, ValueError) as e:
        raise ConfigError(f"{path}: {reason(e)}") from e


def _decode(data: bytes, where: str) -> dict[str, Any]:
    try:
        document = untrusted.parse_json(data)
    except ValueError as e:
        raise ConfigError(f"{where}: {reason(e).removeprefix('is ')}") from e
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: not a JSON object")
    return document
