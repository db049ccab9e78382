"""Volumes of the node: paths and devices, their mounts' propagation, and local persistent ones."""

import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kubectl import MOUNT, STAY, Namespace, eventually, member, pod, volume


@pytest.mark.bounded
def test_a_host_path_is_seen_and_written(ns: Namespace, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from the node\n")
    log = ns.finish(
        pod(
            "host", "cat /v/in; echo from the pod > /v/out",
            main=MOUNT, volumes=volume(hostPath={"path": str(tmp_path), "type": "Directory"}),
        )
    )  # fmt: skip
    assert log == "from the node\n"
    assert (tmp_path / "out").read_text() == "from the pod\n"


@pytest.mark.parametrize(
    ("kind", "path", "test"),
    [
        ("DirectoryOrCreate", "new/directory", "-d"),
        ("FileOrCreate", "file", "-f"),
        ("Socket", "socket", "-S"),
        ("CharDevice", "/dev/zero", "-c"),
    ],
)
def test_a_host_path_has_the_requested_kind(ns: Namespace, kind: str, path: str, test: str) -> None:
    directory = ns.directory()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(directory / "socket"))
        source = {"path": str(directory / path), "type": kind}
        log = ns.finish(
            pod("kind", f"test {test} /v && echo so", main=MOUNT, volumes=volume(hostPath=source))
        )
    assert log == "so\n"


def test_a_missing_host_path_is_reported(ns: Namespace, tmp_path: Path) -> None:
    source = {"path": str(tmp_path / "gone"), "type": "Directory"}
    ns.apply(pod("gone", main=MOUNT, volumes=volume(hostPath=source)))
    eventually(lambda: "FailedMount" in ns.run("get", "events"))


def test_a_local_persistent_volume_is_bound_and_kept(ns: Namespace, tmp_path: Path) -> None:
    with local_volume(ns, tmp_path, "Filesystem") as claim:
        ns.finish(pod("writes", "echo kept > /v/f", main=MOUNT, volumes=claim))
        assert ns.finish(pod("reads", "cat /v/f", main=MOUNT, volumes=claim)) == "kept\n"


def test_a_local_block_device_is_a_device_in_the_container(ns: Namespace, tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(b"from the node\n".ljust(1 << 20, b"\0"))
    main = {"volumeDevices": [{"name": "v", "devicePath": "/dev/xvda"}]}
    script = "head -n 1 /dev/xvda; echo from the pod | dd of=/dev/xvda 2>/dev/null && sync"
    with loop_device(tmp_path / "disk") as device, local_volume(ns, device, "Block") as claim:
        assert ns.finish(pod("block", script, main=main, volumes=claim)) == "from the node\n"
        ns.run("delete", "pod", "block")
    assert (tmp_path / "disk").read_bytes().startswith(b"from the pod\n")


@contextmanager
def loop_device(file: Path) -> Iterator[Path]:
    losetup = ["losetup", "--find", "--show", str(file)]
    made = subprocess.run(losetup, check=True, stdout=subprocess.PIPE, text=True)
    device = made.stdout.strip()
    try:
        yield Path(device)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@contextmanager
def local_volume(ns: Namespace, path: Path, mode: str) -> Iterator[list[Mapping[str, Any]]]:
    """A volume on this node and a claim to it; yields the pod's volumes."""
    name = f"pv-{ns.name}"
    everywhere = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}
    affinity = {"required": {"nodeSelectorTerms": [everywhere]}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": name, "volumeMode": mode}
    capacity = {"storage": "1Mi"}
    ns.apply(
        {
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {
                **spec, "capacity": capacity, "nodeAffinity": affinity,
                "local": {"path": str(path)}, "persistentVolumeReclaimPolicy": "Delete",
            },
        },
        {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "claim"},
            "spec": {**spec, "resources": {"requests": capacity}},
        },
    )  # fmt: skip
    try:
        yield volume(persistentVolumeClaim={"claimName": "claim"})
    finally:
        ns.run("delete", "persistentvolume", name, "--wait=false")


def test_mounts_propagate_as_requested(ns: Namespace, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    mount = {"name": "v", "mountPath": "/v"}
    both, down = ({**mount, "mountPropagation": p} for p in ("Bidirectional", "HostToContainer"))
    script = (
        f"until test -e /v/go; do sleep 0.1; done; mount -t tmpfs t /v/m; touch /v/m/in; {STAY}"
    )
    context = {"privileged": True}
    maker = member("maker", script, volumeMounts=[both], securityContext=context)
    apart = member("apart", volumeMounts=[mount])
    ns.start(
        pod(
            "spread", main={"volumeMounts": [down]}, containers=[maker, apart],
            volumes=volume(hostPath={"path": str(tmp_path)}),
        )
    )  # fmt: skip
    (tmp_path / "go").touch()
    try:
        eventually(lambda: ns.exec("spread", "ls", "/v/m") == "in\n")
        assert ns.run("exec", "spread", "-c", "apart", "--", "ls", "/v/m") == ""
    finally:
        ns.run("exec", "spread", "-c", "maker", "--", "umount", "/v/m")


@pytest.mark.parametrize(
    ("recursive", "said"), [("Enabled", "refused\nrefused\n"), ("Disabled", "refused\nwritten\n")]
)
def test_a_read_only_mount_is_recursive_if_requested(
    ns: Namespace, recursive: str, said: str
) -> None:
    directory = ns.directory()
    (directory / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "t", directory / "below"], check=True)
    mount = {"name": "v", "mountPath": "/v", "readOnly": True, "recursiveReadOnly": recursive}
    script = "for d in /v /v/below; do touch $d/x 2>/dev/null && echo written || echo refused; done"
    volumes = volume(hostPath={"path": str(directory)})
    try:
        log = ns.finish(pod("ro", script, main={"volumeMounts": [mount]}, volumes=volumes))
        ns.run("delete", "pod", "ro")
    finally:
        subprocess.run(["umount", directory / "below"], check=True)
    assert log == said
