"""Reads the configuration of a pod or container from a file for crictl: JSON or YAML."""

import base64
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cri_shim.errors import ConfigError
from cri_shim.untrusted import parse_json, printable, read_file

if TYPE_CHECKING:
    from google.protobuf.message import Message

MAX_FILE = 4 << 20  # bytes

M = TypeVar("M", bound="Message")


def read(file: Path, message: M) -> M:
    """Fill the message from the file; ConfigError in one sentence for what it cannot be."""
    from google.protobuf.json_format import ParseDict, ParseError

    value = _value(file)
    if not isinstance(value, dict):
        expected = f"one object with fields of {message.DESCRIPTOR.name} is expected"
        raise ConfigError(f"{file}: {expected}")
    try:
        ParseDict(_fitting(value, message.DESCRIPTOR, ""), message)
    except (ParseError, ValueError) as e:
        problem = str(e).partition("\n")[0].removesuffix(".")
        raise ConfigError(f"{file}: {printable(problem, 300)}") from e
    return message


def _value(file: Path) -> Any:
    from cri_shim.spec import yaml_file

    try:
        data = read_file(file, MAX_FILE)
    except OSError as e:
        raise ConfigError(f"cannot read {file}: {e.strerror}") from e
    except ValueError as e:
        raise ConfigError(f"{file} {e}") from e
    try:
        return parse_json(data) if file.suffix == ".json" else yaml_file.parse(data)
    except ValueError as e:
        kind = "JSON" if file.suffix == ".json" else "YAML"
        raise ConfigError(f"{file} cannot be read as {kind}: {printable(e, 300)}") from e


def _fitting(value: Mapping[str, Any], of: Any, path: str) -> dict[str, Any]:
    """Return an object of the message type `of` as protobuf's JSON: bytes are in base64.

    ValueError for an unknown field.
    """
    fields = {field.name: field for field in of.fields}
    fields |= {field.camelcase_name: field for field in of.fields}
    found = {}
    for name, each in value.items():
        at = f"{path}.{name}".removeprefix(".")
        if name not in fields:
            near = difflib.get_close_matches(str(name), list(fields), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{printable(at, 200)} is an unknown field{hint}")
        found[name] = _entry(each, fields[name], at)
    return found


def _entry(value: Any, field: Any, path: str) -> Any:
    if isinstance(value, list):
        return [_entry(each, field, f"{path}[{n}]") for n, each in enumerate(value)]
    if field.type == field.TYPE_BYTES and isinstance(value, str):
        return base64.b64encode(value.encode(errors="replace")).decode()
    message = field.message_type
    if isinstance(value, dict) and message is not None and not message.GetOptions().map_entry:
        return _fitting(value, message, path)
    return value
