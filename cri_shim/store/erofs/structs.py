"""The structures of EROFS as bytes; pure. Names of fields are those of the kernel's erofs_fs.h."""

import stat
import struct
from collections.abc import Iterator, Mapping, Sequence

BLOCK_BITS = 12
BLOCK = 1 << BLOCK_BITS  # bytes
SLOT = 32  # bytes; the number of an inode (nid) is its place in units of these
INODE = 64  # bytes of an inode in the extended form: all owners, times in nanoseconds
SUPERBLOCK_AT = 1024
NAME_MAX = 255
HOLE = 0xFFFFFFFF  # instead of the address of a block
FLAT_PLAIN, FLAT_INLINE, CHUNKED = 0, 2, 4  # layouts of data
HAS_CHUNKS = 4  # in feature_incompat
XATTR_HEAD = 12  # bytes
MOST_XATTRS = 0xFFFF * 4  # bytes of one inode's
_MAGIC, _HAS_MTIME = 0xE0F5E1E2, 2
_SUPERBLOCK = struct.Struct("<IIIBBHQQIIII16s16sIHHHBBIQB23x")
_INODE = struct.Struct("<HHHHQIIIIQII16x")
_DIRENT = struct.Struct("<QHBx")
_XATTR = struct.Struct("<BBH")
_PREFIXES = ((b"user.", 1), (b"trusted.", 4), (b"security.", 6))
_FILE_TYPES = {
    stat.S_IFREG: 1, stat.S_IFDIR: 2, stat.S_IFCHR: 3, stat.S_IFBLK: 4, stat.S_IFIFO: 5,
    stat.S_IFLNK: 7,
}  # fmt: skip


def superblock(
    *, root_nid: int, inodes: int, blocks: int, meta_block: int, uuid: bytes, incompatible: int
) -> bytes:
    """Return the first block of the file."""
    raw = _SUPERBLOCK.pack(
        _MAGIC, 0, _HAS_MTIME, BLOCK_BITS, 0, root_nid, inodes, 0, 0, blocks, meta_block, 0,
        uuid, b"", incompatible, 0, 0, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    return (b"\0" * SUPERBLOCK_AT + raw).ljust(BLOCK, b"\0")


def inode(
    *,
    layout: int,
    xattr_bytes: int,
    mode: int,
    size: int,
    place: int,
    number: int,
    owner: tuple[int, int],
    mtime: int,
    links: int,
) -> bytes:
    """Return an inode. `place` is a block, a device or the format of chunks; `mtime` is in ns."""
    seconds, nanoseconds = divmod(mtime, 10**9)
    count = (xattr_bytes - XATTR_HEAD) // 4 + 1 if xattr_bytes else 0
    return _INODE.pack(
        layout << 1 | 1, count, mode, 0, size, place, number, *owner,
        seconds & 0xFFFFFFFFFFFFFFFF, nanoseconds, links,
    )  # fmt: skip


def device(major: int, minor: int) -> int:
    """Return the number of a device as the kernel keeps it: 12 bits of major, 20 of minor."""
    return (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & 0xFFF00) << 12


def xattrs(attributes: Mapping[bytes, bytes]) -> bytes:
    """Return the attributes of an inode, which follow it; b"" if there are none."""
    if not attributes:
        return b""
    parts = [b"\0" * XATTR_HEAD]
    for name, value in sorted(attributes.items()):
        prefix, index = next(known for known in _PREFIXES if name.startswith(known[0]))
        rest = name.removeprefix(prefix)
        entry = _XATTR.pack(len(rest), index, len(value)) + rest + value
        parts.append(entry + b"\0" * (-len(entry) % 4))
    return b"".join(parts)


def is_known_xattr(name: bytes) -> bool:
    return name.startswith(tuple(prefix for prefix, _ in _PREFIXES))


def dirent_blocks(names: Sequence[bytes]) -> Iterator[tuple[int, int, int]]:
    """Divide the sorted names of a directory into blocks: yield (first, end, bytes) of each."""
    first = size = 0
    for at, name in enumerate(names):
        needed = _DIRENT.size + len(name)
        if size + needed > BLOCK:
            yield first, at, size
            first, size = at, 0
        size += needed
    yield first, len(names), size


def dirents(entries: Sequence[tuple[bytes, int, int]]) -> bytes:
    """Return one block of a directory, not padded; an entry is (name, nid, mode)."""
    heads, at = [], _DIRENT.size * len(entries)
    for name, nid, mode in entries:
        heads.append(_DIRENT.pack(nid, at, _FILE_TYPES[stat.S_IFMT(mode)]))
        at += len(name)
    return b"".join(heads) + b"".join([name for name, _, _ in entries])
