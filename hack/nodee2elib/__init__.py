"""hack/node-e2e: the node end-to-end suite of Kubernetes against a private runtime, offline.

The suite starts an API server and a kubelet of its own and pulls images of public registries. Here
it runs in namespaces of its own, with stand-ins for these images, and with cri-shim or containerd
as the runtime.

- `names`: the names and tags of the images, read from the sources of the suite
- `rootfs`: the file system of most images
- `images`: the stand-ins, and the storage of the registry that serves them
- `runtimes`: cri-shim and containerd: configuration and command line
- `node`: starts and ends the namespaces with registry and runtime
- `supervisor`: the first process of the namespaces; keeps registry and runtime running
- `machine`: the mounts and cgroups that the namespaces have for themselves
- `units`: a service manager with the commands of systemd that the suite calls
- `groups`: the groups of specs, each of which is run by itself
- `suite`: one run of one group
- `record`: the result of a run, as JSON
- `causes`: known causes of failures
- `report`: docs/node-e2e.md
"""
