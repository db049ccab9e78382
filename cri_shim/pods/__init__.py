"""What can be done with a pod, one verb a file.

- `run`     intent, namespaces, network, pause process where the pid namespace is shared: READY
- `files`   resolv.conf, hostname and hosts that its containers see
- `stop`    its containers, and all it holds of the node; NOTREADY
- `teardown` what that is, step by step: network, namespaces, /dev/shm
- `remove`  every trace of it and its containers
- `prune`   those that have ended removed, and containers that exited
- `exits`   what an exit does: to a container, or to the pod whose pause process ended
- `orphans`  every trace of pods and containers that no record speaks of
- `forward` a connection to one of its ports, from inside its network namespace
- `query`   answers from records: list and status
- `update`  the pod's new sums when it was resized

And what only watches, put together in `telemetry`:

- `stats`    what a pod and its containers use; `metrics` the same by cAdvisor's names
- `events`   the life of pods and containers, for whoever subscribes
"""
