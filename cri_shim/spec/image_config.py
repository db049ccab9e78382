"""The part of an OCI image configuration that containers are made from.

The blob comes from a registry, so its content may be anything. Every value that `parse` accepts can
be used in a CRI message, an OCI document, a JSON answer and a command line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cri_shim.errors import InvalidArgument
from cri_shim.untrusted import parse_json, printable

MAX_BYTES = 4 << 20  # of a configuration or manifest; skopeo has the same limit
MAX_USER = 1024  # characters of User; every list of images repeats it
_BLOB = "image configuration"


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """`config` of the image configuration blob; a missing value is empty here."""

    env: tuple[str, ...] = ()  # "NAME=value"
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""  # "name|uid[:group|gid]"
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def document(data: bytes) -> dict[str, Any]:
    """Return the configuration blob as a JSON object; InvalidArgument if it is not one."""
    try:
        blob = parse_json(data)
    except ValueError as e:
        raise InvalidArgument(
            _BLOB, f"{e}; the image is malformed or damaged: pull the image again"
        ) from e
    found: dict[str, Any] = _typed(blob, dict, "an object", "")
    return found


def steps(data: bytes) -> list[dict[str, Any]]:
    """Return the history in a configuration blob, oldest first; other entries are skipped."""
    recorded = document(data).get("history")
    if not isinstance(recorded, list):
        return []
    return [step for step in recorded if isinstance(step, dict)]


def parse(data: bytes) -> ImageConfig:
    """Return the ImageConfig of a configuration blob.

    InvalidArgument names the key, for a malformed blob, for a NUL in a string and for a User longer
    than MAX_USER. null means a missing value, as Go programs write it.
    """
    config = _Part(document(data)).part("config")
    config.part("ExposedPorts")
    config.strings("OnBuild")
    return ImageConfig(
        env=tuple(entry for entry in config.strings("Env") if "=" in entry[1:]),
        entrypoint=config.strings("Entrypoint"),
        cmd=config.strings("Cmd"),
        working_dir=config.string("WorkingDir"),
        user=config.string("User", MAX_USER),
        stop_signal=config.string("StopSignal"),
        volumes=tuple(sorted(config.part("Volumes").keys())),
        labels=config.part("Labels").string_map(),
    )


def _typed(value: Any, kind: type, what: str, path: str) -> Any:
    if not isinstance(value, kind):
        problem = f"{what} was expected, found {type(value).__name__}"
        raise _malformed(path, problem)
    return value


def _text(value: Any, path: str) -> str:
    text = str(_typed(value, str, "a string", path))
    if "\0" in text:
        raise _malformed(path, "has a NUL character")
    return text


def _malformed(path: str, problem: str) -> InvalidArgument:
    return InvalidArgument(_BLOB + printable(path), f"{problem}; the image is malformed")


@dataclass(frozen=True, slots=True)
class _Part:
    """A JSON object and its path in the blob, for error messages."""

    value: dict[str, Any]
    path: str = ""

    def _get(self, key: str, kind: type, what: str) -> Any:
        value = self.value.get(key)
        return kind() if value is None else _typed(value, kind, what, f"{self.path}.{key}")

    def part(self, key: str) -> "_Part":
        return _Part(self._get(key, dict, "an object"), f"{self.path}.{key}")

    def string(self, key: str, limit: int = MAX_BYTES) -> str:
        path = f"{self.path}.{key}"
        text = _text(self._get(key, str, "a string"), path)
        if len(text) > limit:
            raise _malformed(path, f"has {len(text)} characters, at most {limit} are taken")
        return text

    def strings(self, key: str) -> tuple[str, ...]:
        values = self._get(key, list, "a list of strings")
        return tuple(_text(value, f"{self.path}.{key}[{i}]") for i, value in enumerate(values))

    def keys(self) -> tuple[str, ...]:
        return tuple(_text(key, self.path) for key in self.value)

    def string_map(self) -> dict[str, str]:
        return {key: self.string(key) for key in self.keys()}
