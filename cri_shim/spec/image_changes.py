"""The config of an image that is committed from a container; pure.

The caller gives the changes as Docker's instructions, as in `docker commit --change` ("CMD [...]",
"ENV a=b", ...), or by the keys of an image config:

    {"Cmd": ["/bin/app"], "Env": {"a": "b", "old": None}, "Labels": {"x": "y"}, "User": "1000"}
"""

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cri_shim.errors import InvalidArgument
from cri_shim.spec import image_config
from cri_shim.untrusted import parse_json

Changes = Mapping[str, Any] | Sequence[str]
FIELD = "changes"


def committed(
    config: bytes,
    *,
    diff_id: str,
    now: datetime,
    created_by: str = "",
    author: str = "",
    comment: str = "",
    changes: Changes = (),
) -> bytes:
    """Return the image config `config` with one more layer; InvalidArgument for bad changes."""
    document = image_config.document(config)
    created = now.astimezone(UTC).isoformat().replace("+00:00", "Z")
    document["created"] = created
    if author:
        document["author"] = author
    document["config"] = changed(document.get("config") or {}, changes)
    below = list((document.get("rootfs") or {}).get("diff_ids") or [])
    document["rootfs"] = {"type": "layers", "diff_ids": [*below, diff_id]}
    steps = image_config.steps(config)
    recorded = sum(not step.get("empty_layer") for step in steps)
    steps += [{"comment": "not in the history of the image"}] * (len(below) - recorded)
    own = {"created": created, "created_by": created_by, "author": author, "comment": comment}
    document["history"] = [*steps, {key: text for key, text in own.items() if text}]
    return json.dumps(document, separators=(",", ":")).encode()


def changed(config: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Return the `config` part of an image's config after the changes, in their order."""
    result = dict(config)
    pairs: Iterable[tuple[str, Any]]
    if isinstance(changes, Mapping):
        pairs = changes.items()
    elif isinstance(changes, str):
        raise InvalidArgument(FIELD, "is one text, not a list of instructions")
    else:
        pairs = [_instruction(line) for line in changes]
    for key, value in pairs:
        change = _KEYS.get(key)
        if change is None:
            raise InvalidArgument(FIELD, f"{key!r} is none of {', '.join(_KEYS)}")
        result[key] = change(result.get(key), value, key)
    return result


def _words(_old: Any, value: Any, key: str) -> list[str]:
    return _texts(value, key)


def _text(_old: Any, value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise _wrong(key, "a text")
    return value


def _variables(old: Any, value: Any, key: str) -> list[str]:
    """A list replaces the variables; a mapping sets some, and removes those with the value None."""
    if not isinstance(value, Mapping):
        found = _texts(value, key)
        if bad := next((each for each in found if "=" not in each[1:]), None):
            raise InvalidArgument(f"{FIELD}.{key}", f"{bad!r} is not NAME=VALUE")
        return found
    known = dict(each.partition("=")[::2] for each in old or [])
    for name, text in value.items():
        if not name or "=" in name or not isinstance(text, str | None):
            raise _wrong(key, "a mapping of names to texts")
        known[name] = text
    return [f"{name}={text}" for name, text in known.items() if text is not None]


def _labels(old: Any, value: Any, key: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(v, str | None) for v in value.values()):
        raise _wrong(key, "a mapping of names to texts")
    both = {**(old or {}), **value}
    return {name: text for name, text in both.items() if text is not None}


def _set(old: Any, value: Any, key: str) -> dict[str, Any]:
    """Add names to a set, which OCI writes as an object of empty objects."""
    names = list(value) if isinstance(value, Mapping) else _texts(value, key)
    return {**(old or {}), **{name: {} for name in names}}


def _added(old: Any, value: Any, key: str) -> list[str]:
    return [*(old or []), *_texts(value, key)]


_KEYS: dict[str, Callable[[Any, Any, str], Any]] = {
    "Cmd": _words, "Entrypoint": _words, "Env": _variables, "ExposedPorts": _set,
    "Labels": _labels, "OnBuild": _added, "StopSignal": _text, "User": _text,
    "Volumes": _set, "WorkingDir": _text,
}  # fmt: skip
_INSTRUCTIONS = {
    "CMD": "Cmd", "ENTRYPOINT": "Entrypoint", "ENV": "Env", "EXPOSE": "ExposedPorts",
    "LABEL": "Labels", "ONBUILD": "OnBuild", "STOPSIGNAL": "StopSignal", "USER": "User",
    "VOLUME": "Volumes", "WORKDIR": "WorkingDir",
}  # fmt: skip


def _instruction(line: str) -> tuple[str, Any]:
    word, _, rest = line.strip().partition(" ")
    key, rest = _INSTRUCTIONS.get(word.upper()), rest.strip()
    if key is None:
        known = ", ".join(_INSTRUCTIONS)
        raise InvalidArgument(FIELD, f"{line!r} begins with none of {known}")
    if not rest:
        raise InvalidArgument(FIELD, f"{line!r} says nothing")
    if key in ("Cmd", "Entrypoint"):
        listed = _json_list(rest)
        return key, ["/bin/sh", "-c", rest] if listed is None else listed
    if key in ("Env", "Labels"):
        return key, _pairs(line, rest)
    if key in ("Volumes", "ExposedPorts"):
        return key, [_port(name) if key == "ExposedPorts" else name for name in _list(line, rest)]
    return key, [rest] if key == "OnBuild" else rest


def _json_list(text: str) -> list[Any] | None:
    try:
        value = parse_json(text)
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def _list(line: str, text: str) -> list[Any]:
    listed = _json_list(text)
    return _split(line, text) if listed is None else listed


def _split(line: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as e:
        raise InvalidArgument(FIELD, f"{line!r} cannot be read: {e}") from e


def _pairs(line: str, text: str) -> dict[str, str]:
    """Parse `a=b c="d e"`, or the old form `a b c d`, where a is "b c d"."""
    words = _split(line, text)
    if "=" not in words[0]:
        name, space, value = text.partition(" ")
        if not space:
            raise InvalidArgument(FIELD, f"{line!r} gives {name} no value")
        return {name: value.strip()}
    if bad := next((word for word in words if "=" not in word[1:]), None):
        raise InvalidArgument(FIELD, f"{bad!r} in {line!r} is not NAME=VALUE")
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _port(text: str) -> str:
    return text if "/" in text else f"{text}/tcp"


def _texts(value: Any, key: str) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _wrong(key, "a list of texts")
    if not all(isinstance(each, str) for each in value):
        raise _wrong(key, "a list of texts")
    return list(value)


def _wrong(key: str, wanted: str) -> InvalidArgument:
    return InvalidArgument(f"{FIELD}.{key}", f"is not {wanted}")
