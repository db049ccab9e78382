"""Writes an EROFS file system: the files of a layer as one file that the kernel mounts.

The file is written in one pass, without a tree of files: contents go to the file as they come, and
the tree is kept in memory until the end. Nothing is compressed, because layers are read often.

    block 0       the superblock
    then          the contents of regular files, each from the start of a block
    then          inodes with their attributes and short contents, in the order of a walk
    then          directories that are longer than a block

- `files`: the tree in memory; it has the calls of `os` that the unpacking makes
- `blocks`: the file, and the digest of what is written to it
- `image`: places the inodes of a tree and writes them
- `structs`: the structures of the format, pure
- `digest`: the digest of a finished file

The format is described in Documentation/filesystems/erofs.rst and fs/erofs/erofs_fs.h of Linux.
The child process of `unpack` writes the file. The daemon writes only one of its own, to try whether
the kernel mounts it. No module imports asyncio.
"""
