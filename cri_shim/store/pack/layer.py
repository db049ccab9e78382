"""A directory that overlayfs has written, as the members of a layer's tar.

Whiteouts and opaque directories become the marks of image layers. Private attributes of overlayfs
and SELinux labels of this machine are not part of a layer.
"""
# ruff: noqa: PTH208

import os
import stat
import struct
from collections.abc import Sequence

from cri_shim.store.pack.header import Member
from cri_shim.store.pack.tree import Found, Members, Tree
from cri_shim.store.trees import overlay
from cri_shim.store.unpack.failure import BadLayer

# A renamed directory, or a file whose content is elsewhere: the data here is not complete.
_ELSEWHERE = frozenset(
    prefix + what for prefix in overlay.PRIVATE for what in ("redirect", "metacopy")
)
_ACL = "system.posix_acl_"
_CAPABILITY = "security.capability"
_WHITEOUT, _OPAQUE_MARK = b".wh.", b".wh..wh..opq"
_REVISION_MASK, _REVISION_2, _REVISION_3 = 0xFF000000, 0x02000000, 0x03000000


class Layer(Tree):
    """`hidden`: mount points, which are left out if they are empty."""

    def __init__(
        self, root: bytes, ranges: Sequence[tuple[int, int]], hidden: Sequence[bytes]
    ) -> None:
        super().__init__(root, ranges)
        self._hidden = frozenset(hidden)

    def members(self) -> Members:
        real = self.real(b"")
        top, attributes = os.lstat(real), self.attributes(real)
        if attributes or (*self.owner(top), stat.S_IMODE(top.st_mode)) != (0, 0, 0o755):
            yield self.member(b"./", top, attributes), b""
        yield from self.marks(b"")
        yield from super().members()

    def entry(self, path: bytes) -> Found:
        real, base = self.real(path), path.rpartition(b"/")[2]
        try:
            status = os.lstat(real)
            if overlay.is_whiteout(status):
                yield Member(path[1:].removesuffix(base) + _WHITEOUT + base), b""
                return False
            if base.startswith(_WHITEOUT):
                raise BadLayer(f"{path!r} would become a whiteout in a layer; rename it")
            if self._is_hidden(path, real, status):
                return False
        except FileNotFoundError:
            return False
        return (yield from super().entry(path))

    def marks(self, path: bytes) -> Members:
        if overlay.is_opaque(self.real(path)):
            yield Member((path + b"/" + _OPAQUE_MARK)[1:]), b""

    def attribute(self, real: bytes, name: str, value: bytes) -> bytes | None:
        if name in _ELSEWHERE:
            raise BadLayer(f"{real!r} has {name}: overlayfs keeps a part of it elsewhere")
        # access lists have ids of the node, which mean nothing in an image
        if name.startswith(overlay.PRIVATE) or (self.ranges and name.startswith(_ACL)):
            return None
        return super().attribute(real, name, _capability(value) if name == _CAPABILITY else value)

    def _is_hidden(self, path: bytes, real: bytes, status: os.stat_result) -> bool:
        if path not in self._hidden:
            return False
        return not os.listdir(real) if stat.S_ISDIR(status.st_mode) else status.st_size == 0


def _capability(value: bytes) -> bytes:
    """Return a file capability without its user namespace: in an image it is valid everywhere."""
    magic = int.from_bytes(value[:4], "little")
    if magic & _REVISION_MASK != _REVISION_3:
        return value
    return struct.pack("<I", magic & ~_REVISION_MASK | _REVISION_2) + value[4:20]
