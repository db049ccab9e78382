"""Collects the errors of a configuration, so that one run tells all of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from cri_shim.errors import ConfigError


class ConfigErrors(ConfigError):
    """Several errors; its text is the first one. `each` has all of them, in order of the files."""

    def __init__(self, each: tuple[str, ...]) -> None:
        super().__init__(f"{each[0]} (and {len(each) - 1} more: see cri-shim config --check)")
        self.each = each


class Failures:
    def __init__(self) -> None:
        self._found: list[ConfigError] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep a ConfigError of the block and continue after it."""
        try:
            yield
        except ConfigError as e:
            self._found.append(e)

    def add(self, text: str) -> None:
        self._found.append(ConfigError(text))

    def refuse(self) -> None:
        """Raise what was collected: the only error itself, or ConfigErrors; nothing if none."""
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise ConfigErrors(tuple(map(str, self._found)))


def each(error: ConfigError) -> tuple[str, ...]:
    """Return the texts of all errors in one."""
    return error.each if isinstance(error, ConfigErrors) else (str(error),)
