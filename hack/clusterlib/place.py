"""The directory of a cluster, and the addresses inside its own network namespace."""

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT = Path("/run/cri-shim-cluster")  # short: sockets have at most 107 characters

NODE = "node"
NODE_IP = "10.123.0.1"  # of an interface: the kubelet refuses a loopback address
SERVICES = "10.96.0.0/16"
PODS = "10.124.0.0/16"
API = f"https://{NODE_IP}:6443"
REGISTRY = "127.0.0.1:5000"

# Paths that are constants of the kubelet; each cluster mounts directories of its own there.
CONSTANTS = ("/var/lib/kubelet", "/var/log")

_MARK = "cri-shim-cluster"  # an empty file in the directory of a cluster


class ClusterError(Exception):
    """An error as a sentence for the caller."""


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster's directory; `programs` has the programs of Kubernetes and etcd."""

    directory: Path
    programs: Path

    def __truediv__(self, name: str) -> Path:
        return self.directory / name

    def create(self) -> None:
        """Make the directory, and mark it as a cluster's."""
        self.directory.mkdir(mode=0o711, parents=True)
        (self / _MARK).touch()

    def is_ours(self) -> bool:
        """Return whether the directory may be removed: a cluster made it, or it is empty."""
        return (self / _MARK).exists() or not any(self.directory.iterdir())

    @property
    def socket(self) -> Path:
        return self / "cri.sock"

    @property
    def kubeconfig(self) -> Path:
        return self / "admin.kubeconfig"

    @property
    def cgroup(self) -> str:
        """Return the parent cgroup of all pods of the cluster, the same in every hierarchy."""
        name = self.directory.name
        return f"/{name}" if name.startswith(_MARK) else f"/{_MARK}-{name}"

    def log(self, program: str) -> Path:
        return self / "log" / f"{program}.log"

    def pid_file(self, program: str) -> Path:
        """Return the file with the program's pid in the namespace of the cluster."""
        return self / "pids" / program

    @classmethod
    def of_environment(cls) -> "Place":
        """Return the cluster of CRI_SHIM_CLUSTER and CRI_SHIM_CLUSTER_PROGRAMS."""
        directory = os.environ.get("CRI_SHIM_CLUSTER", str(DEFAULT))
        return cls(Path(directory), Path(os.environ.get("CRI_SHIM_CLUSTER_PROGRAMS", "")))
