"""Driver: mounts from mounts.conf for every container of the node: subscriptions, certificates.

A line is `SRC:DST`, or one path for both sides. Each container gets its own copy of SRC, mounted at
DST. So no container can change another one's files, and requested mounts below DST have a place
where they can be made. The copy belongs to the container's root user. libpod's "secrets" worked the
same way.

The copies of a container are in a file system of their own in memory. The container may write to
them. Its writes are charged to its control group, are limited by ROOM and ROOM_FILES, and are lost
with the mount.
"""

import logging
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cri_shim.errors import WrongState
from cri_shim.linux.mounts import is_mounted, limit_tmpfs, tmpfs, unmount
from cri_shim.linux.privacy import make_private
from cri_shim.spec import origins
from cri_shim.spec.mounts import ResolvedMount, cleaned, is_covered
from cri_shim.untrusted import NOWHERE, printable, read_file, reason

MAX_BYTES = 64 << 20  # of one container's copies, which are in memory: run_root is a tmpfs
MAX_ENTRIES = 10_000
PAGE = 4096  # bytes; each file takes whole pages
ROOM = 4 << 20  # bytes that a container may add to its copies
ROOM_FILES = 1_000
MAX_FILE = 1 << 20  # bytes of a mounts.conf; real ones have one line
MAX_PATH, MAX_NAME = 4096, 255  # bytes: the kernel's PATH_MAX, with a NUL, and NAME_MAX

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of mounts.conf; `problem` is "" if it can be used."""

    source: str
    destination: str
    problem: str = ""


def parse(text: str) -> Iterator[Line]:
    """Yield the lines of a mounts.conf without empty lines and comments."""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        source, colon, destination = line.partition(":")
        target = cleaned(destination if colon else source)
        absolute = source.startswith("/") and (not colon or destination.startswith("/"))
        usable = _is_path(source) and _is_path(target) and target.isprintable()
        if not absolute or target == "/" or not usable:
            yield Line(source, destination, f"line {number}: {line!r} is not SRC:DST, two paths")
        else:
            yield Line(source, target)


def make_room(directory: Path) -> None:
    """Mount a file system for the copies of one container at `directory`. Idempotent. Blocks."""
    make_private(directory)
    if not is_mounted(directory):
        tmpfs(directory, MAX_BYTES + MAX_ENTRIES * PAGE, 0o700)


def limit(directory: Path) -> None:
    """Limit the container's additions to the copies to ROOM; without copies: unmount. Blocks."""
    if any(directory.iterdir()):
        limit_tmpfs(directory, ROOM, ROOM_FILES)
    else:
        unmount(directory)
        directory.rmdir()


def _is_path(text: str) -> bool:
    """Return whether the kernel accepts it as a path."""
    data = os.fsencode(text)
    return (
        b"\0" not in data and len(data) < MAX_PATH and max(map(len, data.split(b"/"))) <= MAX_NAME
    )


class DefaultMounts:
    """`files`: candidates for mounts.conf; the first that exists is read for each container."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)
        self._logged: set[str] = set()

    def prepare(
        self,
        lines: Sequence[Line],
        directory: Path,
        covered: Sequence[str],
        root: tuple[int, int],
        label: str,
    ) -> list[ResolvedMount]:
        """Make `directory` and copy the sources of `lines` into it; return the mounts. Blocks.

        `covered`: cleaned container paths; lines at or below them are left out, because the request
        mounts something else there. `root`: the copies' (uid, gid). `label`: their SELinux label,
        "" for none. A wrong or missing source is logged once and left out. WrongState if there is
        too much to copy.
        """
        mounts = []
        for number, line in enumerate(lines):
            if is_covered(line.destination, covered):
                continue
            target = directory / str(number)
            directory.mkdir(mode=0o700, exist_ok=True)
            if problem := _Copy(line, root, label).make(target):
                self._log_once(f"default mount {line.source}: {problem}")
            else:
                mounts.append(_mount(target, line))
        return mounts

    def lines(self) -> list[Line]:
        """Return the usable lines of mounts.conf as it is now; the others are logged."""
        for file in self._files:
            try:
                lines = list(parse(os.fsdecode(read_file(file, MAX_FILE))))
            except FileNotFoundError:
                if file.is_symlink():
                    self._log_once(f"default mounts: {file}: {NOWHERE}")
                continue
            except (OSError, ValueError) as e:
                self._log_once(f"default mounts: {file}: {reason(e)}")
                return []
            for line in lines:
                if line.problem:
                    self._log_once(f"default mounts: {file}: {line.problem}")
            return [line for line in lines if not line.problem]
        return []

    def _log_once(self, problem: str) -> None:
        problem = printable(problem)
        if problem not in self._logged:
            self._logged.add(problem)
            _log.warning("%s", problem)


def planned(
    lines: Sequence[Line], found: Sequence[Line], directory: Path, covered: Sequence[str]
) -> list[ResolvedMount]:
    """Return the mounts that `prepare` would return, if the sources of `found` can be copied."""
    return [
        _mount(directory / str(number), line)
        for number, line in enumerate(lines)
        if line in found and not is_covered(line.destination, covered)
    ]


def _mount(target: Path, line: Line) -> ResolvedMount:
    origin = origins.default("default_mounts_file")
    return ResolvedMount(str(target), line.destination, origin=origin)


class _Copy:
    """The copy of one SRC. Symlinks are followed, because the container could not follow them."""

    def __init__(self, line: Line, root: tuple[int, int], label: str) -> None:
        self._line = line
        self._root = root
        self._label = label
        self._bytes = 0
        self._entries = 0

    def make(self, target: Path) -> str:
        """Make the copy; return why it cannot be made, or ""."""
        try:
            if self._any(Path(self._line.source), target, frozenset()):
                return ""
        except OSError as e:  # an unprivileged user's runtime: some files may be root's only
            return f"cannot be copied: {e.filename or self._line.source}: {e.strerror}"
        except RecursionError:
            return "cannot be copied: its directories are nested too deeply"
        return "does not exist, or is not a file or directory"

    def _any(self, source: Path, target: Path, above: frozenset[tuple[int, int]]) -> bool:
        try:
            facts = source.stat()
        except OSError:  # gone, a dangling symlink, or a loop of symlinks
            return False
        self._entries += 1
        self._refuse_too_much()
        if stat.S_ISDIR(facts.st_mode):
            here = (facts.st_dev, facts.st_ino)
            if here in above:  # a symlink to a directory that contains it
                return False
            target.mkdir()
            for entry in sorted(islice(source.iterdir(), MAX_ENTRIES + 1)):
                self._any(entry, target / entry.name, above | {here})
        elif stat.S_ISREG(facts.st_mode):
            self._file(source, target)
        else:
            return False
        self._own(target, stat.S_IMODE(facts.st_mode) & 0o777)
        return True

    def _file(self, source: Path, target: Path) -> None:
        fd = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as read, target.open("xb") as written:
            while data := read.read(1 << 20):
                self._bytes += len(data)
                self._refuse_too_much()
                written.write(data)

    def _own(self, target: Path, mode: int) -> None:
        os.chown(target, *self._root)
        target.chmod(mode)
        if self._label:
            with suppress(OSError):  # a file system without labels of files has one for all
                os.setxattr(target, "security.selinux", self._label.encode() + b"\0")

    def _refuse_too_much(self) -> None:
        if self._bytes > MAX_BYTES or self._entries > MAX_ENTRIES:
            raise WrongState(
                f"default mount {self._line.source}:{self._line.destination}: more than"
                f" {MAX_BYTES >> 20} MiB or {MAX_ENTRIES} files to copy for each container;"
                " mount it in the pods that need it, and take it out of mounts.conf"
            )
