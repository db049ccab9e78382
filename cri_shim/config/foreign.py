"""Recognises configuration files of other runtimes, which an operator may give by mistake."""

import json
from collections.abc import Iterable
from pathlib import Path

_CONTAINERD = {"plugins", "grpc", "ttrpc", "oom_score", "disabled_plugins", "proxy_plugins"}
_CONTAINERD |= {"required_plugins", "stream_processors", "imports", "version", "timeouts"}


def of_keys(file: Path, tops: Iterable[str]) -> str:
    """Return the error for containerd's or CRI-O's file; "" for another one."""
    tops = set(tops)
    if "crio" in tops:
        return _convert(file, "CRI-O's crio.conf", "crio")
    if tops & _CONTAINERD:
        return _convert(file, "containerd's config.toml", "containerd")
    return ""


def of_text(file: Path, text: str) -> str:
    """Return the error for Docker's file, which is JSON; "" for another one."""
    if not text.lstrip().startswith("{"):
        return ""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    return (
        f"{file} is JSON and looks like Docker's daemon.json: this file is TOML; `cri-shim config"
        " --docs` shows every key, and registry mirrors belong into registries.conf"
    )


def _convert(file: Path, whose: str, option: str) -> str:
    return f"{file} looks like {whose}: convert it with `cri-shim config --from-{option} {file}`"
