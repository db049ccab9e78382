"""hack/bench: measures the time, CPU and memory of a pod, and compares them with a floor.

The floor is the minimum for any runtime that uses these programs: namespaces, the CNI plugin, the
mounts, conmon with the OCI runtime's `create`, then its `start`. They run bare, one after another,
with the same flags, the same OCI document and the same image. Measured pods and bare ones
alternate, so that other load of the machine affects both equally.

- `instance`: a private daemon in a temporary directory
- `measured`: drives the daemon by a plain synchronous gRPC client in this process
- `floor`: runs the bare programs
- `template`: the programs and documents that the daemon used for one pod
- `commands`: the floor as a shell script
- `figures`: percentiles, ratios and tables
- `report`: prints the results
- `peers`: `hack/bench peers`: the same pods with other CRI runtimes
- `pull`: `hack/bench pull`: pulls of images from a local registry
- `stats`: `hack/bench stats`: the statistics of a full node
- `streaming`: throughput of exec and port-forward, and the time to the first byte
- `floods`: the time of other calls while clients flood the daemon with small frames
"""
