"""hack/bench: what a pod costs, in time, CPU and memory, beside its floor.

The floor is what no runtime that uses these programs can go below: namespaces, the CNI plugin,
the mounts, conmon with the OCI runtime's `create`, then its `start`, run bare, one after another,
with the same flags, the same OCI document and the same image. Measured pods and bare ones take
turns, so that what else the machine does falls on both alike.

A private daemon serves from a temporary directory (`instance`); `measured` drives it by a plain
synchronous gRPC client in this process, `floor` runs the bare programs, `figures` is arithmetic.
"""
