"""hack/cluster: a Kubernetes node on one machine, with a private cri-shim as its runtime.

etcd, API server, controller manager, scheduler, kube-proxy, kubelet and cri-shim run in network,
mount and pid namespaces of their own. The first process in the pid namespace supervises them: it
restarts each program that ends, as systemd would. When it ends itself, all of them end.

- `place`: the directory of a cluster, and every path and address in it
- `files`: configuration files, tokens and keys
- `programs`: the command line of each program
- `images`: the images that the tests use, and the registry that serves them inside the cluster
- `machine`: checks that the machine has what a cluster needs
- `host`: changes outside the namespaces, and their restoration
- `namespaces`: starts, enters and ends the namespaces
- `supervisor`: the first process of the namespaces
- `control`: up, down, and commands inside the cluster
"""
