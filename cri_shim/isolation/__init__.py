"""Driver: what separates pods and containers from each other and from the host.

- `namespaces`: a pod's net, ipc and uts namespaces, made by a thread and pinned to files: they
  need no process to keep them
- `userns`: the same below a user namespace, made by a child that is let go at once
- `seccomp`, `apparmor`, `selinux`: profiles and labels as they are found on this node
- `sysctls`: which kernel parameters belong to which of these namespaces
- `shm`: the pod's own /dev/shm
- `cgroups`: where containers and their monitors are in the control group trees, v1 and v2, and how
  all that is in one is ended
- `control_groups`: what all of these are to their users; `killing`: the processes of a container
- `oom_kills`: who was killed for lack of memory, where systemd removes a group with its count
- `delegated`: the same below a group that was given to an ordinary user; `no_cgroups`: the same
  where none was
- `cgroup_stats`, `cgroup_stats_v1`, `cgroup_stats_v2`: what a group uses
- `cgroup_files`: the forms of its files, pure
- `net_counters`: what pods have sent and received, by files kept open in their namespaces

Everything here blocks for a short time; callers offload what is not a mere computation.
"""
