"""ListMetricDescriptors and ListPodSandboxMetrics: cAdvisor's metrics, told by the runtime.

- table.py       every metric: name, help, sort, and the labels it has beside those of all
- samples.py     a container's and a pod's values from what was read; pure
- facts.py       what is read of a container beyond its stats
- listing.py     the RPCs: reading in a thread, a few pods at a time, for open files are counted

Values are whole numbers in the CRI, also seconds. What a kernel does not tell has no sample.
"""
