"""hack/cluster: a Kubernetes node on one machine, with a private cri-shim as its runtime.

etcd, API server, controller manager, scheduler, kube-proxy, kubelet and cri-shim run in network,
mount and pid namespaces of their own. The first process in the pid namespace supervises them: it
starts each one again when it ends, as systemd would, and takes all of them along when it ends.

- `place`: the directory of a cluster, and every path and address in it
- `files`: configuration files, tokens and keys
- `programs`: the command line of each program
- `images`: the images that the tests use, and the registry that serves them inside the cluster
- `machine`: what is needed of the machine, and what is missing
- `host`: what is changed outside the namespaces, and put back
- `supervisor`: the first process of the namespaces
- `control`: up, down, and commands inside the cluster
"""
