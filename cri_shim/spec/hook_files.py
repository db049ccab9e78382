"""Reads hook definition files, oci-hooks(5), of both versions into one type.

The case of property names is ignored, as in libpod's reader. An unknown condition is an error: if
it were ignored, the hook would run for containers that it was not made for.
"""

import re
from collections.abc import Mapping
from typing import Any

from cri_shim.spec.hooks import STAGES, Hook, When
from cri_shim.untrusted import parse_json

MAX_TIMEOUT_S = (1 << 31) - 1  # the greatest value that OCI runtimes accept
_CONDITIONS = ("always", "annotations", "commands", "hasbindmounts")
# POSIX character classes, which Python's patterns do not have; they stand inside brackets.
_CLASSES = {
    "[:alpha:]": "a-zA-Z",
    "[:digit:]": "0-9",
    "[:alnum:]": "a-zA-Z0-9",
    "[:upper:]": "A-Z",
    "[:lower:]": "a-z",
    "[:xdigit:]": "0-9A-Fa-f",
    "[:space:]": r"\s",
    "[:blank:]": r" \t",
    "[:punct:]": r"!-/:-@\[-`{-~",
}


def parse(data: bytes) -> Hook:
    """Return the definition in a file. ValueError names the wrong or missing property."""
    raw = _object({"definition": parse_json(data)}, "definition")
    version = _text(raw, "version")
    if version == "1.0.0":
        return _current(raw)
    if version in ("", "0.1.0"):
        return _old(raw)
    raise ValueError(f"version: {version!r} is neither 1.0.0 nor 0.1.0")


def _current(raw: Mapping[str, Any]) -> Hook:
    hook, when = _object(raw, "hook"), _object(raw, "when")
    if unknown := sorted(set(when) - set(_CONDITIONS)):
        raise ValueError(
            f"when: {unknown[0]!r} is no condition; there are {', '.join(_CONDITIONS)}"
        )
    pairs = _object(when, "annotations", lower=False) if "annotations" in when else {}
    conditions = When(
        always=_flag(when, "always"),
        annotations=tuple(
            (_pattern(key, "when.annotations"), _pattern(_text(pairs, key), "when.annotations"))
            for key in pairs
        ),
        commands=_patterns(when, "commands", "when.commands"),
        bind_mounts=_flag(when, "hasbindmounts"),
    )
    if not conditions.given():
        raise ValueError("when: gives no condition")
    timeout = hook.get("timeout") or 0
    if type(timeout) is not int or not 0 <= timeout <= MAX_TIMEOUT_S:
        raise ValueError(f"hook.timeout: must be a number of seconds above 0, not {timeout!r}")
    env = _texts(hook, "env")
    if bad := [entry for entry in env if "=" not in entry[1:]]:
        raise ValueError(f"hook.env: must be NAME=VALUE, not {bad[0]!r}")
    path = _path(_text(hook, "path"), "hook.path")
    return Hook(path, _texts(hook, "args"), env, timeout, conditions, _stages(raw, "stages"))


def _old(raw: Mapping[str, Any]) -> Hook:
    path = _path(_text(raw, "hook"), "hook")
    arguments = _texts(raw, "arguments")
    values = _texts(raw, _either(raw, "annotations", "annotation"))
    command = _either(raw, "cmds", "cmd")
    conditions = When(
        annotations=tuple((_pattern(".*", ""), _pattern(v, "annotations")) for v in values),
        commands=_patterns(raw, command, command),
        bind_mounts=_flag(raw, "hasbindmounts"),
        any_will_do=True,
    )
    if not conditions.given():
        raise ValueError("gives no condition: none of cmds, annotations, hasbindmounts")
    args = (path, *arguments) if arguments else ()
    return Hook(path, args, (), 0, conditions, _stages(raw, _either(raw, "stages", "stage")))


def _either(raw: Mapping[str, Any], name: str, synonym: str) -> str:
    if name in raw and synonym in raw:
        raise ValueError(f"{name} and {synonym} are one property: give one of them")
    return synonym if synonym in raw else name


def _stages(raw: Mapping[str, Any], name: str) -> tuple[str, ...]:
    stages = _texts(raw, name)
    if not stages:
        raise ValueError(f"{name}: names no stage; there are {', '.join(STAGES)}")
    for stage in stages:
        if stage not in STAGES:
            raise ValueError(f"{name}: {stage!r} is no stage; there are {', '.join(STAGES)}")
    return tuple(dict.fromkeys(stages))


def _path(text: str, name: str) -> str:
    if not text.startswith("/"):
        raise ValueError(f"{name}: must be an absolute path, not {text!r}")
    return text


def _patterns(raw: Mapping[str, Any], name: str, label: str) -> tuple[re.Pattern[str], ...]:
    return tuple(_pattern(text, label) for text in _texts(raw, name))


def _pattern(text: str, label: str) -> re.Pattern[str]:
    for name, members in _CLASSES.items():
        text = text.replace(name, members)
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as e:
        raise ValueError(f"{label}: {text!r} is no regular expression: {e}") from e


def _object(raw: Mapping[str, Any], name: str, *, lower: bool = True) -> dict[str, Any]:
    value = raw.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name}: must be an object")  # noqa: TRY004
    return {key.lower(): item for key, item in value.items()} if lower else value


def _flag(raw: Mapping[str, Any], name: str) -> bool | None:
    value = raw.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise ValueError(f"{name}: must be true or false, not {value!r}")


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{name}: must be a string, not {value!r}")
    return value


def _texts(raw: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = raw.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(v, str) and "\0" not in v for v in value):
        raise ValueError(f"{name}: must be a list of strings, not {value!r}")
    return tuple(value)
