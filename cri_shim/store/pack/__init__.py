"""The child process that makes a layer's tar: from a container's files, or the original one again.

As in unpacking, it first calls chroot on the directory: then no symbolic link in the directory can
lead it to other files. The same directory gives the same tar. A tar made here is the same again
after it was unpacked and made again.

- `child`: the program; it also makes the tar of an unpacked layer again, by its recipe
- `header`: headers of tar members, in bytes
- `tree`: a directory of overlayfs as members: whiteouts, opaque directories, hard links, owners

An empty file or directory at a path of `hidden` is left out: it was made as a mount point. Sockets
are left out as well, because a tar has none. The daemon must not import these modules.
"""
