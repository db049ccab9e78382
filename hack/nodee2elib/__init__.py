"""hack/node-e2e: the node end-to-end suite of Kubernetes against a private runtime, offline.

The suite starts an API server and a kubelet of its own and asks for images of public registries.
Here it runs in namespaces of its own, with stand-ins for these images, and with cri-shim or
containerd as the runtime.

- `names`: the names and tags of the images, read from the sources of the suite
- `rootfs`: the file system that most of the images stand on
- `images`: the stand-ins, and the storage of the registry that serves them
- `runtimes`: cri-shim and containerd: configuration and command line
- `supervisor`: the first process of the namespaces; keeps registry and runtime running
- `machine`: the mounts and control groups that the namespaces have for themselves
- `units`: a service manager with what the suite asks of systemd
- `groups`: the parts in which the suite is run
- `suite`: one run of one group
- `record`: what became of a run, as JSON
- `report`: docs/node-e2e.md
"""
