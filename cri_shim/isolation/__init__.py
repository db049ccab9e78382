"""Driver: what separates pods and containers from each other and from the host.

- `namespaces`: a pod's net, ipc and uts namespaces, made by a thread and pinned to files: they
  need no process to keep them
- `sysctls`: which kernel parameters belong to which of these namespaces
- `shm`: the pod's own /dev/shm
- `cgroups`: where containers and their monitors are in the control group trees, v1 and v2, and how
  all that is in one is ended

Everything here blocks for a short time; callers offload what is not a mere computation.
"""
