"""kubeadm on two plain nodes: init and join by the files of deploy/kubeadm, pods on both, reset."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.clusterlib.place import Place
from tests.cluster.kubectl import Object, condition, eventually
from tests.kind.conftest import BUSYBOX
from tests.kind.nodes import on, pods, run

FIRST, SECOND = "node-a", "node-b"
SOCKET = "unix:///run/cri-shim/cri-shim.sock"
FILES = Path("deploy/kubeadm")
NETWORK = Path("hack/kindlib/network.yaml")
KUBECTL = ("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf")
# A container has no kernel configuration to look at, and the machine may have control groups v1.
IGNORED = "--ignore-preflight-errors=SystemVerification"
PLACES = "run/netns|run/cri-shim|var/lib/cri-shim|var/lib/kubelet"
PROCESSES = ("conmon", "crun", "runc", "kube-apiserver", "etcd", "kube-proxy")


@pytest.fixture
def machines(place: Place, archive: Path) -> Iterator[None]:
    """Two nodes of the image, as kind starts them, and nothing done by kind in them."""
    run("docker", "network", "create", "kubeadm")
    try:
        for name in (FIRST, SECOND):
            start(name)
        for name in (FIRST, SECOND):
            await_images(name)
            run("docker", "cp", str(archive), f"{name}:/kind/image.tar")
            on(name, "cri-shim", "image", "load", "docker-archive:/kind/image.tar")
        yield
    finally:
        run("docker", "rm", "-f", "-v", FIRST, SECOND, check=False)
        run("docker", "network", "rm", "kubeadm", check=False)


def start(name: str) -> None:
    options = ["--privileged", "--security-opt=seccomp=unconfined", "--cgroupns=private"]
    options += [
        "--tmpfs=/tmp",
        "--tmpfs=/run",
        "--volume=/var",
        "--volume=/lib/modules:/lib/modules:ro",
    ]
    names = [f"--name={name}", f"--hostname={name}", "--net=kubeadm"]
    run("docker", "run", "--detach", "--tty", *names, *options, "cri-shim-node")


def await_images(name: str) -> None:
    def is_up() -> bool:
        return on(name, "systemctl", "is-active", "cri-shim-images", check=False) == "active\n"

    eventually(is_up)


def first(*command: str, stdin: str = "") -> str:
    return on(FIRST, *KUBECTL, *command, stdin=stdin)


def nodes() -> dict[str, Object]:
    items: list[Object] = json.loads(first("get", "nodes", "-o", "json"))["items"]
    return {node["metadata"]["name"]: node for node in items}


def are_ready(*names: str) -> bool:
    found = nodes()
    return all(name in found and condition(found[name], "Ready") == "True" for name in names)


def remains(node: str) -> dict[str, list[str]]:
    """The remains of pods on a node, by kind."""
    script = {
        "mounts": rf"grep -oE ' /({PLACES})/\S+' /proc/mounts | grep -v /oci-bin/",
        "interfaces": "ls /sys/class/net | grep -vxE 'lo|eth0|pods0|bonding_masters'",
        "namespaces": "ls /run/netns",
        "leases": "find /run/cni-ipam-state -name '[0-9]*.*'",
        "processes": f"pgrep -l '{'|'.join(PROCESSES)}'",
        "cgroups": r"find /sys/fs/cgroup -type d -name 'cri-shim-*.scope'",
    }
    found = {
        kind: on(node, "sh", "-c", f"{text} 2>/dev/null", check=False).split("\n")[:-1]
        for kind, text in script.items()
    }
    found["pods"] = [pod["id"] for pod in pods(node)]
    found["containers"] = on(node, "cri-shim", "ps", "-a", "-q").split()
    return found


def init() -> None:
    configuration = (FILES / "init.yaml").read_text()
    on(FIRST, "sh", "-c", "cat >/root/init.yaml", stdin=configuration.replace("# fail", "fail"))
    words = ["--config=/root/init.yaml", "--skip-phases=addon/coredns", IGNORED]
    on(FIRST, "kubeadm", "init", *words)
    address = first("get", "node", FIRST, "-o", "jsonpath={.status.addresses[0].address}")
    endpoint = (
        f'          env:\n            - {{name: CONTROL_PLANE_ENDPOINT, value: "{address}:6443"}}\n'
    )
    first("create", "-f", "-", stdin=NETWORK.read_text().replace("          env:\n", endpoint))


def join_by_command() -> None:
    command = on(FIRST, "kubeadm", "token", "create", "--print-join-command").split()
    on(SECOND, *command, "--cri-socket", SOCKET, IGNORED)


def join_by_file() -> None:
    """join.yaml with the three values of the command that the first node prints."""
    command = on(FIRST, "kubeadm", "token", "create", "--print-join-command")
    text = (FILES / "join.yaml").read_text()
    for old, new in (
        (r"apiServerEndpoint: \S+", rf"apiServerEndpoint: {command.split()[2]}"),
        (r"token: \S+", rf"token: {command.split('--token ')[1].split()[0]}"),
        (r"sha256:\w+", re.findall(r"sha256:\w+", command)[0]),
    ):
        text = re.sub(old, new, text)
    on(SECOND, "sh", "-c", "cat >/root/join.yaml", stdin=text)
    on(SECOND, "kubeadm", "join", "--config=/root/join.yaml", IGNORED)


def run_a_pod_on_each() -> None:
    """A pod on one node reads the page that a pod on the other node serves."""
    for name, node, command in (
        ("serve", FIRST, "mkdir /www; echo served >/www/index.html; exec httpd -f -h /www"),
        ("ask", SECOND, "exec sleep 3600"),
    ):
        main = {"name": "main", "image": BUSYBOX, "command": ["sh", "-c", command]}
        spec = {"nodeName": node, "containers": [main], "terminationGracePeriodSeconds": 1}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        first("apply", "-f", "-", stdin=json.dumps(pod))
    first("wait", "pod/serve", "pod/ask", "--for=condition=Ready", "--timeout=90s")
    address = first("get", "pod", "serve", "-o", "jsonpath={.status.podIP}")
    script = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 10 {address} 80"
    assert first("exec", "ask", "--", "sh", "-c", script).splitlines()[-1] == "served"
    assert first("logs", "ask") == ""


def leave() -> None:
    """The second node leaves as the documentation of kubeadm has it."""
    first("drain", SECOND, "--ignore-daemonsets", "--force", "--timeout=90s")
    on(SECOND, "kubeadm", "reset", "--force", "--cri-socket", SOCKET)
    first("delete", "node", SECOND)


def test_nodes_join_run_pods_and_are_reset_to_what_they_were(machines: None) -> None:
    before = {node: remains(node) for node in (FIRST, SECOND)}
    assert not any(before[FIRST].values())

    init()
    eventually(lambda: are_ready(FIRST), 180)
    join_by_command()
    eventually(lambda: are_ready(FIRST, SECOND), 180)
    for node in nodes().values():
        assert node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("cri-shim://")
    run_a_pod_on_each()
    assert all(remains(SECOND).values())

    leave()
    assert remains(SECOND) == before[SECOND]

    join_by_file()
    eventually(lambda: are_ready(FIRST, SECOND), 180)
    run_a_pod_on_each()

    leave()
    on(FIRST, "kubeadm", "reset", "--force", "--cri-socket", SOCKET)
    assert {node: remains(node) for node in (FIRST, SECOND)} == before
