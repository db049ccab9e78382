"""Thin, synchronous wrappers of the kernel's interfaces.

- `syscalls`: what Python 3.11 has no function for, declared once
- `mounts`: bind, tmpfs, overlay, unmount; what is mounted where, and how mounts propagate
- `sources`: the sources of bind mounts, mounted by descriptor at a place of our own
- `devices`: device nodes below a path
- `idmap`: idmapped mounts
- `answering`: wait until the file system of a path answers
- `process`: a process by pid and start time; our own capabilities and OOM score
- `proc_table`: what ps shows of a process
- `pidfd`, `process_handle`: a process by a descriptor that can never mean another one; signals to
  it, and waiting for its end
- `addresses`: those of an interface in another network namespace
- `netdev`, `descriptors`: counters of network interfaces; what a process has open
- `inotify`: changes of directories
- `rootfs`: files of a container's root, opened so that no symbolic link leads out of it
- `beneath`, `walk`, `remove`, `disk`: trees that others write to: opened, walked, removed, measured
- `executable`: why the kernel would not execute a file
- `privacy`: directories and files of root alone, and groups that may pass them
- `null_device`: /dev/null, kept root's
- `boot`: which boot of the machine this is
- `marks`: small files that one daemon leaves for the next

Everything raises OSError with the path it is about. What may take longer than a millisecond is
offloaded by its callers, through aio.offload. Needs Linux 5.14 or later.
"""
