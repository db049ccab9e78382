"""The hooks.d directories: checked for each container, and read again only after a change.

The check costs one stat for each file, about 10 microseconds in all. There is no watch, so no
change is missed. A file in a later directory replaces the file of the same name in earlier ones.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cri_shim import ownership
from cri_shim.errors import ConfigError
from cri_shim.spec.hook_files import parse
from cri_shim.spec.hooks import Definition, Hook
from cri_shim.untrusted import NOWHERE, names, printable, read_file, reason

MAX_FILE = 1 << 20  # bytes; real files have a few hundred
MAX_PROBLEM = 1024  # characters, including the path of the file
_Identity = tuple[int, int, int]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """The contents of the directories: hooks in the order they run, one sentence per bad file."""

    definitions: tuple[Definition, ...]
    bad: tuple[str, ...]
    missing: tuple[Path, ...]  # directories


class Hooks:
    """`must_exist`: a missing directory is an error; `strict`: so is a file that cannot be used.

    Otherwise both are logged, once, and skipped. `optional`: these directories are the default, so
    a missing one is not logged. `env` is the environment of hooks that the daemon runs and that
    define none of their own.
    """

    def __init__(
        self,
        directories: Sequence[Path],
        *,
        must_exist: bool = False,
        strict: bool = False,
        optional: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.directories = tuple(directories)
        self.env = dict(env or {})
        self._must_exist = must_exist
        self._strict = strict
        self._optional = optional
        self._seen: dict[Path, tuple[_Identity, Hook | str]] = {}
        self._logged: frozenset[str] = frozenset()

    def usable(self) -> tuple[Definition, ...]:
        """Return the current hooks, sorted by lower-cased file name.

        ConfigError for a missing directory or bad file, where the configuration makes it fatal.
        """
        found = self.scan()
        missing = [f"hooks_dir {directory} does not exist" for directory in found.missing]
        if self._must_exist and missing:
            raise ConfigError(f"{missing[0]}; make it, or set hooks_dir_not_exist_fatal = false")
        if self._strict and found.bad:
            raise ConfigError(f"{found.bad[0]}; correct it, or set hooks_bad_file_fatal = false")
        self._log_new([*found.bad, *([] if self._optional else missing)])
        return found.definitions

    def scan(self) -> Found:
        """Read the directories; return usable and bad definitions."""
        files: dict[str, Path] = {}
        missing: list[Path] = []
        bad: list[str] = []
        for directory in self.directories:
            try:
                if problem := ownership.of_file(directory) or ownership.of_way(directory):
                    bad.append(f"hooks_dir {directory} is not used: {problem}")
                    continue
                here = names(directory, (".json",))
            except FileNotFoundError:
                missing.append(directory)
            except (OSError, ValueError) as e:
                bad.append(f"hooks_dir {directory}: {reason(e)}")
            else:
                files |= {name: directory / name for name in here}
        order = sorted(files.values(), key=lambda file: (file.name.lower(), file.name))
        self._seen = {file: read for file in order if (read := self._read(file)) is not None}
        definitions = []
        for file, (_, hook) in self._seen.items():
            if problem := hook if isinstance(hook, str) else _untrusted(file) or _program(hook):
                bad.append(printable(f"hook {file} is not used: {problem}", MAX_PROBLEM))
            elif isinstance(hook, Hook):
                definitions.append(Definition(file, hook))
        return Found(tuple(definitions), tuple(bad), tuple(missing))

    def _read(self, file: Path) -> tuple[_Identity, Hook | str] | None:
        """Read a file, or use the earlier result if it has not changed; None if it is gone."""
        try:
            facts = file.stat()
            identity = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
            known = self._seen.get(file)
            if known is not None and known[0] == identity:
                return known
            return identity, parse(read_file(file, MAX_FILE))
        except FileNotFoundError:
            return ((0, 0, 0), NOWHERE) if file.is_symlink() else None
        except OSError as e:
            return (0, 0, 0), reason(e)
        except ValueError as e:
            return identity, str(e)

    def _log_new(self, problems: Sequence[str]) -> None:
        for problem in problems:
            if problem not in self._logged:
                _log.warning("%s", problem)
        self._logged = frozenset(problems)


def _program(hook: Hook) -> str:
    """Return the problem with the program of a hook; "" if there is none."""
    if not hook.on_host():
        return ""
    path = Path(hook.path)
    if not os.path.isfile(path):  # noqa: PTH113 - never raises
        return f"its program {path} does not exist"
    if not os.access(path, os.X_OK):
        return f"its program {path} cannot be executed"
    return _untrusted(path)


def _untrusted(path: Path) -> str:
    """Return why others may change it, or "". Hooks and their programs run as root."""
    try:
        return ownership.of_file(path) or ownership.of_way(path)
    except OSError as e:
        return f"{path}: {e.strerror}"
