"""hack/kind: clusters of kind, and of kubeadm alone, with cri-shim on their nodes; no network.

- `base`: makes a replacement of a published kindest/node, from Debian's packages
- `images`: the images of the control plane, each with one program
- `network.yaml`, `sync-network`: replace kindnet of a published node image: they connect the pods
  of all nodes
- `docker`: a private dockerd in namespaces of its own
- `oci-runtime`: runc for a machine whose root lacks CAP_SYS_RESOURCE
"""
