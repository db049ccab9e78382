"""Operations on a pod, one verb a file.

- `run`: intent, namespaces, network, a pause process if the pid namespace is shared; then READY
- `draft`: the record of a new pod, before anything is made
- `files`: the resolv.conf, hostname and hosts of its containers
- `passage`: lets the root users of the pods reach their root file systems
- `leases`: removes the pods of callers that have gone, and those that end with their containers
- `start`: starts its created containers in the order of their dependencies
- `stop`: stops its containers and releases its resources of the node; NOTREADY
- `teardown`: the steps of that release: network, namespaces, /dev/shm, files of /etc
- `remove`: removes every trace of a pod and its containers
- `prune`: removes stopped pods and exited containers
- `exits`: hands an exit to its container, or to the pod whose pause process ended
- `orphans`: removes pods and containers that have no record
- `forward`: connects to a port of a pod from inside its network namespace
- `plan`: the document of a container in a pod that does not exist, with the origins of its fields
- `changing`: the pods that are being made or removed
- `timeline`: what a pod's operations waited for, and the pods that were slowest to start
- `unfinished`: intents that no work completes, and work that is retried
- `query`: answers list and status from records
- `disk_usage`, `image_use`: what takes the disk, and what uses each image
- `update`: records the pod's new resources after a resize

These modules observe pods and change nothing; `telemetry` combines them:

- `stats`: the usage of a pod and its containers; `metrics` has the same under cAdvisor's names;
  `load` has what `cri-shim top` shows
- `events`: the events of pods and containers, for subscribers
"""
