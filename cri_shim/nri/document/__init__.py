"""Applies the adjustments of plugins to an OCI document, and reads one back as a message; pure.

What a container of this node cannot have is refused, with the name of the plugin that asks for it.

- `facts`: what the node and the container allow, and the errors that name a plugin
- `adjusted`: applies all adjustments
- `process`: environment, arguments, rlimits, scheduler, io priority, oom score
- `mounts`: mounts and hooks
- `linux`: devices, namespaces, kernel parameters, seccomp, cgroup, memory policy, network devices
- `resources`: limits of resources, and classes of rdt
- `described`: the message of a container, from its document
"""
