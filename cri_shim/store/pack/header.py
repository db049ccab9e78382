"""Headers of a tar archive: ustar, with a pax header for larger values; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

BLOCK = 512
REGULAR, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = b"0123456"
_PAX = b"x"[0]
_NAME, _ID, _SIZE = 100, 0o7777777, 0o77777777777  # limits of the ustar fields
END = bytes(2 * BLOCK)


@dataclass(slots=True)
class Member:
    """An entry; names are bytes, as in file systems. `size` bytes of data follow it."""

    name: bytes
    type: int = REGULAR
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0  # nanoseconds since the epoch
    linkname: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


def encode(member: Member) -> bytes:
    """Return the header blocks, which come before the data."""
    records = _pax(member)
    before = b""
    if records:
        name = b"PaxHeaders/" + member.name[-80:].replace(b"/", b"_")
        before = _block(Member(name, _PAX, 0o644, size=len(records))) + padded(records)
    return before + _block(member)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def _pax(member: Member) -> bytes:
    names = {b"path": member.name, b"linkpath": member.linkname}
    records = {k: name for k, name in names.items() if len(name) > _NAME or not name.isascii()}
    numbers = ((b"uid", member.uid, _ID), (b"gid", member.gid, _ID), (b"size", member.size, _SIZE))
    records |= {key: b"%d" % number for key, number, limit in numbers if number > limit}
    if member.mtime % 10**9 or not 0 <= member.mtime // 10**9 <= _SIZE:
        records[b"mtime"] = _time(member.mtime)
    for attribute, value in sorted(member.xattrs.items()):
        records[b"SCHILY.xattr." + attribute.encode("utf-8", "surrogateescape")] = value
    return b"".join(_record(key, value) for key, value in records.items())


def _record(key: bytes, value: bytes) -> bytes:
    """Return `LENGTH key=value`; the length includes its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _time(nanoseconds: int) -> bytes:
    seconds, fraction = divmod(abs(nanoseconds), 10**9)
    sign = "-" if nanoseconds < 0 else ""
    return f"{sign}{seconds}.{fraction:09d}".rstrip("0").rstrip(".").encode()


def _block(member: Member) -> bytes:
    seconds = member.mtime // 10**9
    block = bytearray(BLOCK)
    for at, value in (
        (0, member.name[:_NAME]),
        (100, b"%07o" % member.mode),
        (108, b"%07o" % min(member.uid, _ID)),
        (116, b"%07o" % min(member.gid, _ID)),
        (124, b"%011o" % (member.size if member.size <= _SIZE else 0)),
        (136, b"%011o" % (seconds if 0 <= seconds <= _SIZE else 0)),
        (148, b" " * 8),
        (156, bytes([member.type])),
        (157, member.linkname[:_NAME]),
        (257, b"ustar\x0000"),
        (329, b"%07o" % member.device[0]),
        (337, b"%07o" % member.device[1]),
    ):
        block[at : at + len(value)] = value
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)
