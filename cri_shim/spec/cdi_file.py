"""Checks a CDI specification file: takes its JSON or YAML value, returns a cdi.Spec.

An error in the file is a ValueError with the place of the error, and not InvalidArgument: the
vendor wrote the file, not the caller.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cri_shim.spec.cdi import NAME, Edits, Node, Spec

HOOKS = frozenset(
    {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}
)
MAX_TEXT = 64 << 10  # characters: of one variable of the environment, for example
MAX_NUMBER = (1 << 32) - 1  # device numbers, ids, modes and seconds are smaller
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*/[A-Za-z][A-Za-z0-9_.-]*", re.ASCII)
_VERSION = re.compile(r"(0\.[3-9]|1\.[0-9]+)\.[0-9]+", re.ASCII)
_TYPES = {"": "", "b": "b", "c": "c", "u": "c", "p": "p"}
_UNKNOWN = ("intelRdt", "netDevices")  # edits that have no field in a document of this OCI version


def parse(value: Any, path: str, priority: int) -> Spec:
    """Return the Spec of a file's value; ValueError says what is wrong with it."""
    whole = _Part(value, "")
    version = whole.text("cdiVersion")
    if not _VERSION.fullmatch(version):
        raise ValueError(f"cdiVersion {version!r} is not known here")
    kind = whole.text("kind")
    if not _KIND.fullmatch(kind):
        raise ValueError(f"kind {kind!r} is not of the form vendor.com/class")
    devices: dict[str, Edits] = {}
    for device in whole.parts("devices"):
        name = device.text("name")
        if not NAME.fullmatch(f"{kind}={name}") or name in devices:
            raise ValueError(f"{device.at}.name: {name!r} is no name, or there twice")
        devices[name] = _edits(device.part("containerEdits"))
    return Spec(path, priority, kind, devices, _edits(whole.part("containerEdits")))


def _edits(part: "_Part") -> Edits:
    env = part.texts("env")
    if bad := [entry for entry in env if "=" not in entry[1:]]:
        raise ValueError(f"{part.at}.env: {bad[0]!r} is not NAME=VALUE")
    return Edits(
        env=env,
        nodes=tuple(map(_node, part.parts("deviceNodes"))),
        mounts=tuple(map(_mount, part.parts("mounts"))),
        hooks=tuple(map(_hook, part.parts("hooks"))),
        gids=part.numbers("additionalGids"),
        unknown=tuple(key for key in _UNKNOWN if part.value.get(key)),
    )


def _node(part: "_Part") -> Node:
    path, kind = part.absolute("path"), part.text("type", optional=True)
    access = part.text("permissions", optional=True)
    if kind not in _TYPES or set(access) - set("rwm"):
        raise ValueError(f"{part.at}: type {kind!r} or permissions {access!r} is not known")
    return Node(
        path=path,
        host_path=part.absolute("hostPath", optional=True) or path,
        type=_TYPES[kind],
        major=part.number("major") or 0,
        minor=part.number("minor") or 0,
        mode=part.number("fileMode"),
        uid=part.number("uid"),
        gid=part.number("gid"),
        access=access or "rwm",
    )


def _mount(part: "_Part") -> Mapping[str, Any]:
    """A mount without a type is a bind mount; OCI runtimes expect that word in the options."""
    kind, options = part.text("type", optional=True), list(part.texts("options"))
    source = part.text("hostPath")
    if kind in ("", "none", "bind"):
        kind, source = "bind", part.absolute("hostPath")
        if not {"bind", "rbind"} & set(options):
            options.insert(0, "rbind")
    where = part.absolute("containerPath")
    return {"destination": where, "type": kind, "source": source, "options": options}


def _hook(part: "_Part") -> tuple[str, Mapping[str, Any]]:
    kind = part.text("hookName")
    if kind not in HOOKS:
        raise ValueError(f"{part.at}.hookName: {kind!r} is none of {', '.join(sorted(HOOKS))}")
    hook: dict[str, Any] = {"path": part.absolute("path")}
    hook |= {key: list(part.texts(key)) for key in ("args", "env") if part.value.get(key)}
    if timeout := part.number("timeout"):
        hook["timeout"] = timeout
    return kind, hook


class _Part:
    """An object of a specification with its place in the file, for error messages."""

    def __init__(self, value: Any, at: str) -> None:
        self.at = at
        self.value: Mapping[str, Any] = _typed({} if value is None else value, Mapping, at)

    def part(self, key: str) -> "_Part":
        return _Part(self.value.get(key), f"{self.at}.{key}")

    def parts(self, key: str) -> list["_Part"]:
        return [_Part(value, f"{self.at}.{key}[{n}]") for n, value in enumerate(self._list(key))]

    def text(self, key: str, *, optional: bool = False) -> str:
        value = self.value.get(key)
        if not optional and not value:
            raise ValueError(f"{self.at}.{key} is missing")
        return _text("" if value is None else value, f"{self.at}.{key}")

    def absolute(self, key: str, *, optional: bool = False) -> str:
        value = self.text(key, optional=optional)
        if value and not value.startswith("/"):
            raise ValueError(f"{self.at}.{key}: {value!r} is not an absolute path")
        return value

    def number(self, key: str) -> int | None:
        value = self.value.get(key)
        return None if value is None else _number(value, f"{self.at}.{key}")

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(_text(value, f"{self.at}.{key}") for value in self._list(key))

    def numbers(self, key: str) -> tuple[int, ...]:
        return tuple(_number(value, f"{self.at}.{key}") for value in self._list(key))

    def _list(self, key: str) -> Sequence[Any]:
        value = self.value.get(key)
        return list(_typed([] if value is None else value, list, f"{self.at}.{key}"))


def _text(value: Any, at: str) -> str:
    text = str(_typed(value, str, at))
    if "\0" in text or len(text) > MAX_TEXT:
        raise ValueError(f"{at}: has a NUL character, or more than {MAX_TEXT} characters")
    return text


def _number(value: Any, at: str) -> int:
    number = int(_typed(value, int, at))
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"{at}: is not between 0 and {MAX_NUMBER}")
    return number


def _typed(value: Any, kind: type, at: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        found = type(value).__name__
        raise ValueError(f"{at or 'the file'}: {kind.__name__.lower()} expected, found {found}")  # noqa: TRY004
    return value
