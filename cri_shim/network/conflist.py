"""Network lists: the files of the CNI configuration directory, read and checked.

Files ending in .conflist hold a list of plugins, .conf and .json a single plugin that is wrapped
into a list of one. They are taken in the order of their names; of two with one network name the
first wins. A file that cannot be used is a problem to report, never a reason to fail.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.errors import ConfigError
from cri_shim.network import versions

SUFFIXES = (".conflist", ".conf", ".json")

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")

Plugin = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NetworkList:
    """One network: its plugins in the order of ADD."""

    name: str
    version: str  # the one plugins are called with
    versions: tuple[str, ...]  # all that may be chosen, newest first
    plugins: tuple[Plugin, ...]
    source: str = ""  # the file it came from
    disable_check: bool = False
    disable_gc: bool = False

    def to_json(self) -> bytes:
        """The list as it is recorded and cached; `from_json` reads it back."""
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
    """What a configuration directory holds."""

    files: int  # configuration files, good or bad
    networks: tuple[NetworkList, ...]
    problems: tuple[str, ...]  # "FILE: why it is not used"


def from_json(data: bytes) -> NetworkList:
    """A list from a record or from the package; raises ConfigError."""
    return parse_list(_decode(data, "network list"), "")


def load(directory: Path) -> Loaded:
    """Read every configuration file of `directory`; a missing directory holds nothing."""
    try:
        found = sorted(directory.iterdir(), key=lambda path: path.name)
    except (FileNotFoundError, NotADirectoryError):
        return Loaded(0, (), ())
    except OSError as e:
        return Loaded(0, (), (f"{directory}: {e.strerror}",))
    files = [path for path in found if path.suffix in SUFFIXES and _is_file(path)]
    networks: dict[str, NetworkList] = {}
    problems: list[str] = []
    for path in files:
        try:
            network = read(path)
        except ConfigError as e:
            problems.append(str(e))
            continue
        if network.name in networks:
            first = networks[network.name].source
            problems.append(f"{path}: network {network.name!r} is already defined by {first}")
        else:
            networks[network.name] = network
    return Loaded(len(files), tuple(networks.values()), tuple(problems))


def read(path: Path) -> NetworkList:
    """One configuration file as a network list; raises ConfigError naming the file."""
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
    """Check a decoded list; raises ConfigError naming the file and the key."""
    where = source or "network list"
    name = document.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: name {name!r} is not a network name (letters, digits, _.-)")
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
        raise ValueError(f"{declared} are not all strings")
    return declared


def _check_plugin(plugin: Any, where: str) -> None:
    if not isinstance(plugin, dict):
        raise ConfigError(f"{where} is not an object")
    kind = plugin.get("type")
    if not isinstance(kind, str) or not kind or "/" in kind or kind in (".", ".."):
        raise ConfigError(f"{where}.type: {kind!r} is not the file name of a plugin")
    if not isinstance(plugin.get("capabilities") or {}, dict):
        raise ConfigError(f"{where}.capabilities is not an object")


def _plugins_beside(document: Mapping[str, Any], source: str, name: str) -> list[Any]:
    """CNI 1.1: unless loadOnlyInlinedPlugins, DIR/<network name>/*.conf are plugins too."""
    if not source or _flag(document, "loadOnlyInlinedPlugins", source):
        return []
    files = sorted((Path(source).parent / name).glob("*.conf"))
    return [_decode(_content(path), str(path)) for path in files]


def _flag(document: Mapping[str, Any], key: str, where: str) -> bool:
    value = document.get(key, False)
    if isinstance(value, str) and value.lower() in ("true", "false"):  # libcni takes both
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ConfigError(f"{where}: {key}: {value!r} is not true or false")
    return value


def _is_file(path: Path) -> bool:
    """Whether to read it: a dangling link is a problem to report, a FIFO would block."""
    return path.is_file() or path.is_symlink()


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: not a file")
        return path.read_bytes()
    except OSError as e:
        raise ConfigError(f"{path}: {e.strerror}") from e


def _decode(data: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as e:
        raise ConfigError(f"{where}: not JSON: {e}") from e
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: not a JSON object")
    return document
