"""The hooks.d directories: read when a container is made, and again only when something changed.

To look whether it has costs one stat a file, some 10 microseconds in all; nothing is watched, so no
change is missed. A file in a later directory stands for the one of its name in earlier ones.
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

MAX_FILE = 1 << 20  # bytes; real ones have a few hundred
MAX_PROBLEM = 1024  # characters, with the path of the file
_Identity = tuple[int, int, int]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What the directories hold: hooks in the order they run in, and one sentence per bad file."""

    definitions: tuple[Definition, ...]
    bad: tuple[str, ...]
    missing: tuple[Path, ...]  # directories


class Hooks:
    """`must_exist`: a missing directory is an error; `strict`: so is a file that cannot be used.

    Else both are logged, once, and passed over. `optional`: nobody asked for these directories, so
    not even that is said of a missing one. `env` is that of hooks which have none of their own,
    where the daemon runs them.
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
        self._told: frozenset[str] = frozenset()

    def usable(self) -> tuple[Definition, ...]:
        """The hooks there are now, by lower-cased file name.

        ConfigError for a directory or file that is wrong, where that was to be fatal.
        """
        found = self.look()
        missing = [f"hooks_dir {directory} does not exist" for directory in found.missing]
        if self._must_exist and missing:
            raise ConfigError(f"{missing[0]}; make it, or set hooks_dir_not_exist_fatal = false")
        if self._strict and found.bad:
            raise ConfigError(f"{found.bad[0]}; mend it, or set hooks_bad_file_fatal = false")
        self._tell([*found.bad, *([] if self._optional else missing)])
        return found.definitions

    def look(self) -> Found:
        """What is there, good and bad."""
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
            if problem := hook if isinstance(hook, str) else _changeable(file) or _program(hook):
                bad.append(printable(f"hook {file} is not used: {problem}", MAX_PROBLEM))
            elif isinstance(hook, Hook):
                definitions.append(Definition(file, hook))
        return Found(tuple(definitions), tuple(bad), tuple(missing))

    def _read(self, file: Path) -> tuple[_Identity, Hook | str] | None:
        """As it was read before, if it is still the same; None if it went away meanwhile."""
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

    def _tell(self, problems: Sequence[str]) -> None:
        for problem in problems:
            if problem not in self._told:
                _log.warning("%s", problem)
        self._told = frozenset(problems)


def _program(hook: Hook) -> str:
    """What is wrong with the program of a hook now; "" for nothing."""
    if not hook.on_host():
        return ""
    path = Path(hook.path)
    if not os.path.isfile(path):  # noqa: PTH113 - never raises
        return f"its program {path} does not exist"
    if not os.access(path, os.X_OK):
        return f"its program {path} cannot be executed"
    return _changeable(path)


def _changeable(path: Path) -> str:
    """Who else may change it; "" for nobody. Hooks and their programs are run as root."""
    try:
        return ownership.of_file(path) or ownership.of_way(path)
    except OSError as e:
        return f"{path}: {e.strerror}"
