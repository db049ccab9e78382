"""ListMetricDescriptors and ListPodSandboxMetrics: cAdvisor's metrics, reported by the runtime.

- `table`: every metric: name, help, kind, and its labels beside the common ones
- `samples`: the values of containers and pods from the facts; pure
- `facts`: reads a container's values that its stats do not have
- `listing`: the RPC; reads a few pods at a time in a thread, because it counts open files

Values are integers in the CRI, also seconds. A value that the kernel does not report has no sample.
"""
