"""The ids that an unprivileged user may use: /etc/subuid, /etc/subgid, newuidmap's arguments.

Pure, except that `of_user` reads the two files. Inside the namespace, 0 is the user itself, and 1
and up are its subordinate ids, range after range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cri_shim.errors import RootlessError
from cri_shim.untrusted import read_file, reason

SUBUID, SUBGID = Path("/etc/subuid"), Path("/etc/subgid")
MAX_FILE = 16 << 20  # bytes: enough for several hundred thousand users
USUAL = 65536  # the ids that images use


@dataclass(frozen=True, slots=True)
class Range:
    """Ids `first` to `first` + `count` - 1 of the machine."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """The arguments of newuidmap and of newgidmap after the pid."""

    uids: tuple[str, ...]
    gids: tuple[str, ...]


def ranges(text: str, name: str, uid: int) -> list[Range]:
    """Return a user's ranges in a file of `name-or-number:first:count` lines; see subuid(5).

    Both files name users, not groups. A malformed line is skipped, like newuidmap does.
    """
    found: list[Range] = []
    for line in text.splitlines():
        owner, _, numbers = line.strip().partition(":")
        first, _, count = numbers.partition(":")
        if owner in (name, str(uid)) and owner and _is_id(first) and _is_id(count):
            entry = Range(int(first), int(count))
            if entry.count and entry not in found:
                found.append(entry)
    return found


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 10


def arguments(own: int, subordinate: Sequence[Range]) -> tuple[str, ...]:
    """Return newuidmap's arguments after the pid: INSIDE OUTSIDE COUNT for each range."""
    words = ["0", str(own), "1"]
    inside = 1
    for part in subordinate:
        words += [str(inside), str(part.first), str(part.count)]
        inside += part.count
    return tuple(words)


def of_user(
    uid: int, gid: int, name: str, *, subuid: Path = SUBUID, subgid: Path = SUBGID
) -> Mapping:
    """Return the mapping of a user; without ranges, RootlessError says what root must do."""
    return Mapping(
        arguments(uid, _of_file(subuid, name, uid, "--add-subuids")),
        arguments(gid, _of_file(subgid, name, uid, "--add-subgids")),
    )


def _of_file(file: Path, name: str, uid: int, option: str) -> list[Range]:
    try:
        text = read_file(file, MAX_FILE).decode(errors="replace")
    except FileNotFoundError:
        text = ""
    except (OSError, ValueError) as e:
        raise RootlessError(f"cannot read {file}: {reason(e)}") from e
    found = ranges(text, name, uid)
    if not found:
        raise RootlessError(
            f"user {name} ({uid}) has no ids in {file}, which rootless containers need;"
            f" as root: usermod {option} {_free(text)} {name}"
        )
    return found


def _free(text: str) -> str:
    """Return a range above all assigned ones, as useradd would choose it."""
    end = 100_000
    for line in text.splitlines():
        _, first, count = (*line.split(":"), "", "")[:3]
        if _is_id(first) and _is_id(count.strip()):
            end = max(end, int(first) + int(count))
    return f"{end}-{end + USUAL - 1}"
