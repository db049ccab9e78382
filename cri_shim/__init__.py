"""cri-shim: a Kubernetes container runtime on crun or runc, conmon and CNI."""

__version__ = "0.1.0"
