"""Places the inodes of a tree behind the contents of its files, and writes them.

The root comes first: the superblock has only 16 bits for its number. Short contents (of symbolic
links, and the last block of a directory) follow their inode if both fit into one block.
"""

import os
import struct

from cri_shim.store.erofs import structs
from cri_shim.store.erofs.blocks import Blocks
from cri_shim.store.erofs.files import Contents, Inode, Unsuited
from cri_shim.store.erofs.structs import BLOCK, SLOT

_FIRST_SLOT = 2  # number 0 would be no file for readdir(3)
_MOST_BLOCKS = structs.HOLE - 1

Names = list[tuple[bytes, Inode]]


def finish(root: Inode, blocks: Blocks, uuid: bytes) -> str:
    """Write the inodes of the tree and the superblock; return the digest in hexadecimal.

    `uuid` has 16 bytes, which other contents do not have: overlayfs tells its layers by them.
    """
    return _Image(root, blocks).finish(uuid)


class _Image:
    def __init__(self, root: Inode, blocks: Blocks) -> None:
        self._root = root
        self._blocks = blocks
        self._start = blocks.block
        self._inodes: list[Inode] = []  # in the order of their places
        self._names: dict[int, Names] = {}  # of directories, sorted; by nid
        self._end = _FIRST_SLOT * SLOT  # bytes from the start up to the last place
        self._long: list[bytes] = []  # contents behind the inodes, in whole blocks
        self._next_long = 0  # the block of the next one
        self._has_chunks = False

    def finish(self, uuid: bytes) -> str:
        self._place(self._root, self._root)
        for inode in self._inodes:  # grows meanwhile
            for name, below in self._names.get(inode.nid, ()):
                if name not in (b".", b".."):
                    self._place(below, inode)
        self._next_long = self._start + -(-self._end // BLOCK)
        at = 0
        for inode in self._inodes:
            self._blocks.zeros(inode.nid * SLOT - at)
            raw = self._encode(inode)
            self._blocks.write(raw)
            at = inode.nid * SLOT + len(raw)
        self._blocks.pad()
        for content in self._long:
            self._blocks.write(content)
            self._blocks.pad()
        if self._blocks.block > _MOST_BLOCKS:
            raise Unsuited("it is larger than 16 TiB")
        return self._blocks.finish(self._superblock(uuid))

    def _superblock(self, uuid: bytes) -> bytes:
        return structs.superblock(
            root_nid=self._root.nid,
            inodes=len(self._inodes),
            blocks=self._blocks.block,
            meta_block=self._start,
            uuid=uuid,
            incompatible=structs.HAS_CHUNKS if self._has_chunks else 0,
        )

    def _place(self, inode: Inode, above: Inode) -> None:
        """Give the inode its number; count its names."""
        directory = isinstance(inode.body, dict)
        inode.links += 1 + directory  # the entry "." is a name, too
        if directory and inode is not above:
            above.links += 1
        if inode.nid:
            return
        names = _sorted(inode, above)
        fixed, tail = _sizes(inode, names)
        together = bool(tail) and fixed + tail <= BLOCK
        whole = fixed + tail if together else fixed
        room = -self._end % BLOCK
        if room < (whole if together else structs.INODE):
            self._end += room
        inode.nid = self._end // SLOT
        if directory:
            self._names[inode.nid] = names
        self._inodes.append(inode)
        self._end += whole + -whole % SLOT

    def _encode(self, inode: Inode) -> bytes:
        """Return the inode with all that follows it."""
        attributes = structs.xattrs(inode.xattrs or {})
        layout, size, place, rest = structs.FLAT_PLAIN, 0, 0, b""
        body = inode.body
        if isinstance(body, int):
            place = body
        elif isinstance(body, Contents) and body.chunk:
            layout, size, rest = structs.CHUNKED, body.size, _chunk_map(body)
            place = body.chunk.bit_length() - 1 - structs.BLOCK_BITS
            self._has_chunks = True
        elif isinstance(body, Contents):
            size, place = body.size, body.block
        else:
            *long, tail = self._contents(inode)
            size = sum(map(len, long)) + len(tail)
            if structs.INODE + len(attributes) + len(tail) <= BLOCK:
                layout, rest = structs.FLAT_INLINE, tail
            else:
                long.append(tail)
            place = self._next_long
            self._long += long
            self._next_long += len(long)
        head = structs.inode(
            layout=layout, xattr_bytes=len(attributes), mode=inode.mode, size=size, place=place,
            number=inode.nid & 0xFFFFFFFF, owner=(inode.uid, inode.gid), mtime=inode.mtime,
            links=inode.links,
        )  # fmt: skip
        return head + attributes + rest

    def _contents(self, inode: Inode) -> list[bytes]:
        """Return the blocks of a directory or a symbolic link; only the last may be shorter."""
        if isinstance(inode.body, str):
            return [os.fsencode(inode.body)]
        names = self._names.pop(inode.nid)
        blocks = [
            structs.dirents([(name, below.nid, below.mode) for name, below in names[first:after]])
            for first, after, _ in structs.dirent_blocks([name for name, _ in names])
        ]
        return [block.ljust(BLOCK, b"\0") for block in blocks[:-1]] + blocks[-1:]


def _sorted(inode: Inode, above: Inode) -> Names:
    if not isinstance(inode.body, dict):
        return []
    names = [(os.fsencode(name), below) for name, below in inode.body.items()]
    return sorted([*names, (b".", inode), (b"..", above)], key=lambda entry: entry[0])


def _sizes(inode: Inode, names: Names) -> tuple[int, int]:
    """Return the bytes of an inode with what must follow it, and of the contents that may."""
    fixed = structs.INODE + len(structs.xattrs(inode.xattrs or {}))
    if isinstance(inode.body, str):
        return fixed, len(os.fsencode(inode.body))
    if isinstance(inode.body, Contents):
        return fixed + len(_chunk_map(inode.body)), 0
    if names:
        return fixed, list(structs.dirent_blocks([name for name, _ in names]))[-1][2]
    return fixed, 0


def _chunk_map(contents: Contents) -> bytes:
    """Return the block of each chunk of a sparse file; b"" for another one."""
    if not contents.chunk:
        return b""
    number = -(-contents.size // contents.chunk)
    blocks = [contents.chunks.get(at, structs.HOLE) for at in range(number)]
    return struct.pack(f"<{number}I", *blocks)
