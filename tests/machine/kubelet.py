"""A kubelet of the node's own, without an API server: it runs the pods of files."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fixtures import busybox
from tests.machine.conftest import Machine
from tests.machine.inside import WITNESS

TOP = Path(__file__).parents[2]
FILES = "/etc/kubernetes"
UNIT = "/etc/systemd/system/kubelet.service"
# cAdvisor wants a clock frequency, and user-mode Linux tells none.
_UNIT = """\
[Unit]
After=cri-shim.service
[Service]
ExecStartPre=sh -c 'echo "cpu MHz : 1000.0" | cat /proc/cpuinfo - >/run/cpuinfo'
ExecStartPre=sh -c 'mountpoint -q /proc/cpuinfo || mount --bind /run/cpuinfo /proc/cpuinfo'
ExecStart=/usr/local/bin/kubelet --config=/etc/kubernetes/kubelet.yaml
"""
_LEFT = f"/usr/local/bin/kubelet {UNIT} {FILES} /var/lib/kubelet /var/log/pods"
_LOGIND = "/etc/systemd/logind.conf.d/99-kubelet.conf"  # the kubelet writes it


@dataclass(frozen=True, slots=True)
class StaticPod:
    """A pod of one container; in its script, $me is its own file for the test."""

    name: str
    script: str
    grace: int
    priority: int = 0

    def manifest(self) -> str:
        main = {
            "name": self.name,
            "image": busybox.NAME,
            "imagePullPolicy": "Never",
            "command": ["sh", "-c", f"me=/witness/{self.name}; {self.script}"],
            "volumeMounts": [{"name": "witness", "mountPath": "/witness"}],
        }
        spec = {
            "priority": self.priority,
            "terminationGracePeriodSeconds": self.grace,
            "containers": [main],
            "volumes": [{"name": "witness", "hostPath": {"path": str(WITNESS)}}],
        }
        kind = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": self.name}}
        return json.dumps({**kind, "spec": spec})


@contextmanager
def kubelet(machine: Machine, pods: list[StaticPod], **settings: object) -> Iterator[None]:
    """Installed and started, with its pods; at the end it is gone, and what it wrote."""
    done = subprocess.run(["hack/k8s/build", "kubelet"], cwd=TOP, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    machine.put(Path(done.stdout.strip()) / "kubelet", "/usr/local/bin/kubelet")
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": "unix:///run/cri-shim/cri-shim.sock",
        "staticPodPath": f"{FILES}/manifests",
        "enableServer": False,
        "authentication": {"webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        **settings,
    }
    files = {UNIT: _UNIT, f"{FILES}/kubelet.yaml": json.dumps(configuration)}
    files |= {f"{FILES}/manifests/{pod.name}.yaml": pod.manifest() for pod in pods}
    machine.run(f"chmod +x /usr/local/bin/kubelet && mkdir -p {FILES}/manifests")
    for name, text in files.items():
        machine.write(name, text)
    try:
        machine.run("systemctl daemon-reload && systemctl start kubelet")
        yield
    finally:
        machine.run(
            f"systemctl stop kubelet; umount /proc/cpuinfo; rm -rf {_LEFT} {_LOGIND};"
            " systemctl daemon-reload; systemctl kill -s HUP systemd-logind"
        )
