"""The part of an OCI image configuration that a container is made from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cri_shim.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """`config` of the image configuration blob; what is absent there is empty here."""

    env: tuple[str, ...] = ()  # "NAME=value"
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""  # "name|uid[:group|gid]"
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def parse(data: bytes) -> ImageConfig:
    """The ImageConfig in a configuration blob.

    A torn or malformed blob is InvalidArgument naming the key, never a KeyError: the blob came
    from outside. null means absent, as Go programs write it.
    """
    try:
        blob = json.loads(data)
    except ValueError as e:
        raise InvalidArgument("image configuration", f"no JSON ({e}); pull the image again") from e
    config = _Part(_typed(blob, dict, "an object", "")).part("config")
    return ImageConfig(
        env=tuple(entry for entry in config.strings("Env") if "=" in entry[1:]),
        entrypoint=config.strings("Entrypoint"),
        cmd=config.strings("Cmd"),
        working_dir=config.string("WorkingDir"),
        user=config.string("User"),
        stop_signal=config.string("StopSignal"),
        volumes=tuple(sorted(config.part("Volumes").value)),
        labels=config.part("Labels").string_map(),
    )


def _typed(value: Any, kind: type, what: str, path: str) -> Any:
    if not isinstance(value, kind):
        problem = f"{what} was expected, found {type(value).__name__}; the image is malformed"
        raise InvalidArgument(f"image configuration{path}", problem)
    return value


@dataclass(frozen=True, slots=True)
class _Part:
    """A JSON object and where it stands, so that an error can say so."""

    value: dict[str, Any]
    path: str = ""

    def _get(self, key: str, kind: type, what: str) -> Any:
        value = self.value.get(key)
        return kind() if value is None else _typed(value, kind, what, f"{self.path}.{key}")

    def part(self, key: str) -> "_Part":
        return _Part(self._get(key, dict, "an object"), f"{self.path}.{key}")

    def string(self, key: str) -> str:
        return str(self._get(key, str, "a string"))

    def strings(self, key: str) -> tuple[str, ...]:
        values = self._get(key, list, "a list of strings")
        return tuple(
            _typed(value, str, "a string", f"{self.path}.{key}[{i}]")
            for i, value in enumerate(values)
        )

    def string_map(self) -> dict[str, str]:
        return {key: self.string(key) for key in self.value}
