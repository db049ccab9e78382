"""The child process that makes the tar of a layer: of what a container wrote, or as it once was.

As for unpacking, it shuts itself into the directory first: no symbolic link in there can lead it to
another file. The same directory gives the same tar, and a tar made here, when it is unpacked and
made again, is the same.

- `child`: the program; `header`: members of a tar, in bytes
- `tree`: a directory of overlayfs as members: whiteouts, opaque directories, hard links, owners
- `again`: the tar that a layer was unpacked from, by its recipe

At the paths called hidden, an empty file or directory is left out: it was put there for a mount.
Sockets are left out as well, a tar has none. Nothing here may be imported by the daemon.
"""
