"""Driver: isolates pods and containers from each other and from the host.

- `namespaces`: a pod's net, ipc and uts namespaces, made by a thread and pinned to files, so that
  no process has to keep them
- `userns`: the same below a user namespace, made by a short-lived child
- `seccomp`, `apparmor`, `selinux`: the profiles and labels of this node: the file behind
  RuntimeDefault, a Localhost file, the loaded AppArmor profiles
- `sysctls`: the kernel parameters of these namespaces
- `pod_tmpfs`: the pod's own /dev/shm, and the file system of its files of /etc
- `control_groups`: the interface of the three implementations of control groups
- `cgroups`: the control groups of containers and their monitors, v1 and v2; `delegated`: the same
  below a group that was delegated to an unprivileged user; `no_cgroups`: without control groups
- `cgroup_names`: the names of a container's group for kubelet, OCI runtime and kernel; pure
- `hierarchies`: the mounted control group trees, and operations on one group in them
- `killing`: kills all processes of a container
- `limits`: changes limits that OCI runtimes do not change correctly
- `oom_kills`: kills for lack of memory, where systemd removes a group together with its count
- `cgroup_stats`, `cgroup_stats_v1`, `cgroup_stats_v2`: the usage of a group
- `cgroup_files`: parses the files of a group; pure
- `net_counters`: the network counters of pods, from files kept open in their namespaces

All functions here block for a short time; callers offload those that do I/O.
"""
