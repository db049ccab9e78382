"""Thin, synchronous wrappers of the kernel's interfaces.

- `syscalls`: system calls that Python 3.11 has no function for, declared once
- `mounts`: bind, tmpfs, overlay, unmount; the mount table, and how mounts propagate
- `unix_socket`: the file of a listening unix socket: what is in its place, and how it is made
- `sources`: the sources of bind mounts, mounted by descriptor at a private place
- `missing_directory`: makes a directory, and those above it, below open ones
- `devices`: device nodes below a path
- `erofs`: mounts a file that has a file system
- `loop`: loop devices
- `idmap`: idmapped mounts
- `answering`: waits until the file system of a path answers
- `process`: a process by pid and start time; the daemon's own capabilities and OOM score
- `proc_table`: the data of a process that ps shows
- `pidfd`, `process_handle`: a process by a descriptor that can never mean another one; signals to
  it, and waiting for its end
- `nsenter`: work inside pinned namespaces, and with mounts that others do not see
- `addresses`: the addresses of an interface in another network namespace
- `rtnetlink`: moves a network interface into a network namespace
- `scheduling`: scheduler, io priority and memory policy of processes
- `netdev`, `descriptors`: counters of network interfaces; the open files of a process
- `inotify`: changes of directories
- `rootfs`: files of a container's root, opened so that no symbolic link leads out of it
- `beneath`, `walk`, `remove`, `disk`: trees that others write to: opened, walked, removed, measured
- `executable`: why the kernel would not execute a file
- `project_quota`: limits of the space of a directory tree
- `privacy`: directories and files for root only, and groups that may pass them
- `null_device`: keeps /dev/null root's
- `timezone`: the files of time zones
- `boot`: the id of the machine's current boot
- `marks`: small files that one daemon leaves for the next

Every function raises OSError with its path. Callers run functions that may take longer than a
millisecond through aio.offload. Needs Linux 5.14 or later.
"""
