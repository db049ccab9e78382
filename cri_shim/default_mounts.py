"""Driver: mounts that every container of the node has, by mounts.conf: subscriptions, certificates.

A line is `SRC:DST`, or a path that is the same on both sides. What is at SRC is copied for each
container and the copy is mounted at DST, so that no container can change what the others see, and
mounts that are asked for below DST find a place to be made in. The owner of the copy is root as the
container sees it. libpod did the same with what it called secrets.

The copies of a container are on a file system of their own in memory. The container may write to
them: that is charged to its control group, ends at ROOM and ROOM_FILES, and goes with the mount.
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
from cri_shim.spec.mounts import ResolvedMount, cleaned
from cri_shim.untrusted import NOWHERE, printable, read_file, reason

MAX_BYTES = 64 << 20  # of one container's copies, which are in memory: run_root is a tmpfs
MAX_ENTRIES = 10_000
PAGE = 4096  # bytes; each file has whole pages
ROOM = 4 << 20  # bytes that a container may add to its copies
ROOM_FILES = 1_000
MAX_FILE = 1 << 20  # bytes of a mounts.conf; real ones have one line
MAX_PATH, MAX_NAME = 4096, 255  # bytes: the kernel's PATH_MAX, with a NUL, and NAME_MAX

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of mounts.conf; `problem` is "" where it can be used."""

    source: str
    destination: str
    problem: str = ""


def parse(text: str) -> Iterator[Line]:
    """The lines of a mounts.conf; empty ones and comments are left out."""
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
    """Let the container add ROOM to the copies that are there now; none: unmount. Blocks."""
    if any(directory.iterdir()):
        limit_tmpfs(directory, ROOM, ROOM_FILES)
    else:
        unmount(directory)
        directory.rmdir()


def _is_path(text: str) -> bool:
    """Whether the kernel takes it for a path."""
    data = os.fsencode(text)
    return (
        b"\0" not in data and len(data) < MAX_PATH and max(map(len, data.split(b"/"))) <= MAX_NAME
    )


class DefaultMounts:
    """`files`: mounts.conf, the first that exists is the only one. Read for each container."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)
        self._told: set[str] = set()

    def prepare(
        self,
        lines: Sequence[Line],
        directory: Path,
        covered: Sequence[str],
        root: tuple[int, int],
        label: str,
    ) -> list[ResolvedMount]:
        """Copy what `lines` name into `directory`, which is made; what is to be mounted. Blocks.

        `covered`: cleaned container paths at which, or below which, something else was asked for;
        `root`: the copies' (uid, gid); `label`: their SELinux label, "" for none. What is wrong or
        missing is logged, once, and left out. WrongState when it is too much to be copied.
        """
        mounts = []
        for number, line in enumerate(lines):
            if any(f"{line.destination}/".startswith(f"{path}/") for path in covered):
                continue
            target = directory / str(number)
            directory.mkdir(mode=0o700, exist_ok=True)
            if problem := _Copy(line, root, label).make(target):
                self._tell(f"default mount {line.source}: {problem}")
            else:
                mounts.append(ResolvedMount(str(target), line.destination))
        return mounts

    def lines(self) -> list[Line]:
        """What mounts.conf says now, without the lines that cannot be used: those are logged."""
        for file in self._files:
            try:
                lines = list(parse(os.fsdecode(read_file(file, MAX_FILE))))
            except FileNotFoundError:
                if file.is_symlink():
                    self._tell(f"default mounts: {file}: {NOWHERE}")
                continue
            except (OSError, ValueError) as e:
                self._tell(f"default mounts: {file}: {reason(e)}")
                return []
            for line in lines:
                if line.problem:
                    self._tell(f"default mounts: {file}: {line.problem}")
            return [line for line in lines if not line.problem]
        return []

    def _tell(self, problem: str) -> None:
        problem = printable(problem)
        if problem not in self._told:
            self._told.add(problem)
            _log.warning("%s", problem)


class _Copy:
    """The copy of one SRC. Symlinks are followed: the container could not follow them."""

    def __init__(self, line: Line, root: tuple[int, int], label: str) -> None:
        self._line = line
        self._root = root
        self._label = label
        self._bytes = 0
        self._entries = 0

    def make(self, target: Path) -> str:
        """Why it cannot be copied; "" if it was."""
        try:
            if self._any(Path(self._line.source), target, frozenset()):
                return ""
        except OSError as e:  # an ordinary user's runtime: some of it may be for root alone
            return f"cannot be copied: {e.filename or self._line.source}: {e.strerror}"
        except RecursionError:
            return "cannot be copied: its directories are nested too deeply"
        return "does not exist, or is no file or directory"

    def _any(self, source: Path, target: Path, above: frozenset[tuple[int, int]]) -> bool:
        try:
            facts = source.stat()
        except OSError:  # gone, a dangling symlink, or a loop of them
            return False
        self._entries += 1
        self._refuse_too_much()
        if stat.S_ISDIR(facts.st_mode):
            here = (facts.st_dev, facts.st_ino)
            if here in above:  # a symlink to a directory that it is in
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
            with suppress(OSError):  # a file system that keeps no labels has one as a whole
                os.setxattr(target, "security.selinux", self._label.encode() + b"\0")

    def _refuse_too_much(self) -> None:
        if self._bytes > MAX_BYTES or self._entries > MAX_ENTRIES:
            raise WrongState(
                f"default mount {self._line.source}:{self._line.destination}: more than"
                f" {MAX_BYTES >> 20} MiB or {MAX_ENTRIES} files to copy for each container;"
                " mount it in the pods that need it, and take it out of mounts.conf"
            )
