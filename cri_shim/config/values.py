"""Converts an entry to a value of its key's type; sets defaults that depend on other keys."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cri_shim.config import checks, user
from cri_shim.config.keys import Key
from cri_shim.config.schema import KEYS, Server
from cri_shim.config.source import Entry, flag_value, place
from cri_shim.errors import ConfigError
from cri_shim.untrusted import printable

_OWN = Server()  # the defaults
_EXPECTED = {str: "a string", Path: "a string (a path)", bool: "true or false", int: "an integer"}
_EXPECTED |= {float: "a number"}
_FOUND = {bool: "a boolean", int: "an integer", float: "a float", str: "a string", list: "a list"}
_FOUND |= {dict: "a table"}


def converted(k: Key, entry: Entry) -> Any:
    """Convert the entry's value to the key's type; ConfigError with the expected type."""
    value = entry.value
    if entry.is_flag and (k.type not in (str, Path) or value[:1] in ("'", '"')):
        value = flag_value(value)
    result: Any
    if k.type in (str, Path) and isinstance(value, str):
        result = k.type(value)
    elif k.type in (bool, int) and type(value) is k.type:
        result = value
    elif k.type is float and type(value) in (int, float):
        result = _float(value)
    elif (many := _items(k, value)) is not None:
        result = tuple(map(k.type.__args__[0], many))
    else:
        raise ConfigError(
            f"{place(entry.origin, entry.name)}: "
            f"expected {_EXPECTED.get(k.type) or _list_of(k)}, found {_found(value)}"
        )
    _refuse(k, result, entry.origin, entry.name)
    return result


def _refuse(k: Key, value: Any, origin: str, name: str = "") -> None:
    if problem := checks.possible(value) or k.check(value):
        raise ConfigError(f"{place(origin, name or k.name)}: {problem}")


def _list_of(k: Key) -> str:
    return "a list of integers" if k.type.__args__[0] is int else "a list of strings"


def _items(k: Key, value: Any) -> list[Any] | None:
    if getattr(k.type, "__origin__", None) is not tuple:
        return None
    if k.lone and isinstance(value, str):
        return [value] if value else []
    item_type = int if k.type.__args__[0] is int else str
    if isinstance(value, list) and all(type(item) is item_type for item in value):
        return value
    return None


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # the integer is too large
        return math.inf


def _found(value: Any) -> str:
    return f"{_FOUND.get(type(value), 'a date or time')} ({printable(repr(value), 100)})"


def derive(values: dict[str, Any], origin: dict[str, str]) -> None:
    """Set defaults that depend on other keys, so that `--root` alone makes a separate instance."""
    for libpod, own in (("static_dir", "server.root"), ("tmp_dir", "server.run_root")):
        if values[libpod] and origin[own] == "default":
            values[own] = Path(values[libpod], "cri-shim")
            origin[own] = f"{libpod} at {origin[libpod]}"
            _refuse(KEYS[own], values[own], origin[own])
    if (uid := user.unprivileged_user()) is not None:
        _of_user(uid, values, origin)
    run_root = values["server.run_root"]
    if run_root == values["server.root"]:
        raise ConfigError(
            f"{place(origin['server.run_root'], 'server.run_root')}:"
            f" must not be server.root: {run_root}"
        )
    if run_root != _OWN.run_root and origin["server.socket"] == "default":
        values["server.socket"] = run_root / "cri-shim.sock"
        origin["server.socket"] = "server.run_root"
        _refuse(KEYS["server.socket"], values["server.socket"], origin["server.run_root"])
    if values["server.root"] != _OWN.root:
        bridge, subnet = _own_network(values["server.root"])
        for name, value in (("network.bridge", bridge), ("network.subnet", subnet)):
            if origin[name] == "default":
                values[name], origin[name] = value, "server.root"


def _of_user(uid: int, values: dict[str, Any], origin: dict[str, str]) -> None:
    """Set directories that an unprivileged user may write to."""
    places: dict[str, Callable[[], Path]] = {
        "server.root": lambda: user.data_directory(uid),
        "server.run_root": lambda: user.runtime_directory(uid) / "cri-shim",
        "network.netns_dir": lambda: values["server.run_root"] / "netns",
    }
    for name, own in places.items():
        if origin[name] == "default":
            values[name], origin[name] = own(), f"user {uid}"
            _refuse(KEYS[name], values[name], origin[name])
    registries = user.home(uid) / ".config/containers/registries.conf"
    if origin["image.registries_conf"] == "default" and registries.exists():
        values["image.registries_conf"], origin["image.registries_conf"] = (
            str(registries),
            f"user {uid}",
        )


def _own_network(root: Path) -> tuple[str, str]:
    """Return a bridge and a subnet of 10.160.0.0/11 for this root: each instance needs its own."""
    digest = hashlib.sha256(str(root).encode()).digest()
    block = int.from_bytes(digest[:2]) % 512  # /20s in a /11
    return f"cri-{digest.hex()[:8]}", f"10.{160 + block // 16}.{block % 16 * 16}.0/20"
