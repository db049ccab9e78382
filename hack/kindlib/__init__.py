"""hack/kind: clusters of kind, and of kubeadm alone, whose nodes run cri-shim; without a network.

- `base`: makes the stand-in for a published kindest/node, from Debian's packages
- `images`: the images of the control plane, each one program
- `network.yaml`, `sync-network`: what kindnet is to a published node image: pods of all nodes reach
  each other
- `docker`: a private dockerd in namespaces of its own
- `oci-runtime`: runc for a machine whose root lacks CAP_SYS_RESOURCE
"""
