"""The child process that makes tars: a layer of a container's files, the original tar of a layer
again, or a whole root file system.

As in unpacking, it first calls chroot on the directory: then no symbolic link in the directory can
lead it to other files. A directory that a container may write to is mounted once more for it,
without the mounts below and without devices. The same directory gives the same tar. A tar made here
is the same again after it was unpacked and made again.

- `child`: the program; it also makes the tar of an unpacked layer again, by its recipe
- `header`: headers of tar members, in bytes
- `tree`: a directory as members: hard links, owners, attributes
- `layer`: the same for a directory of overlayfs: whiteouts and opaque directories

An empty file or directory at a path of `hidden` is left out: it was made as a mount point. Sockets
are left out as well, because a tar has none. The daemon must not import these modules.
"""
