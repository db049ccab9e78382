"""The only blocking code of the house: thin, synchronous wrappers of the kernel's interfaces.

- `syscalls`: what Python 3.11 has no function for, declared once
- `mounts`: bind, tmpfs, overlay, unmount; what is mounted where, and how mounts propagate
- `sources`: what a path is, mounted by a descriptor where nobody else can change it; `devices`
- `answering`: being sure that a path's file system answers; the only coroutine here
- `process`: a process by pid and start time; our own capabilities and OOM score
- `pidfd`: a process by a descriptor that can never mean another one
- `addresses`: those of an interface in another network namespace
- `netdev`, `descriptors`: counters of network interfaces; what a process has open
- `inotify`: changes of directories
- `rootfs`: files of a container's root, opened so that no symbolic link leads out of it
- `boot`: which boot of the machine this is
- `marks`: small files that one daemon leaves for the next

Everything raises OSError with the path it is about. What may take longer than a millisecond is
called through aio.offload by whoever calls it. Needs Linux 5.14 or later.
"""
