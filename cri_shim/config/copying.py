"""A copy of a configuration that shares nothing with it."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cri_shim.config.schema import Config


def deep_copy(config: Config) -> Config:
    """As copy.deepcopy would make it, which cannot copy read-only mappings."""
    copied: Config = _copy(config)
    return copied


def _copy(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _copy(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return type(value)(**fields)
    if isinstance(value, Mapping):
        return MappingProxyType({key: _copy(item) for key, item in value.items()})
    return value  # tuples of text and paths, numbers: nobody can change them
