"""Every kind of volume that the kubelet mounts by itself, and images as volumes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hack.clusterlib.images import DATA
from tests.cluster.kubectl import Namespace, container, eventually, pod

MOUNT = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}


def volume(**source: Any) -> list[Mapping[str, Any]]:
    return [{"name": "v", **source}]


@pytest.mark.parametrize("medium", ["", "Memory"])
def test_an_empty_dir_is_shared_by_the_containers_of_a_pod(ns: Namespace, medium: str) -> None:
    other = pod("x", "echo shared > /v/f; sleep 3600")["spec"]["containers"][0]
    script = "while ! test -s /v/f; do sleep 0.1; done; cat /v/f"
    ns.apply(
        pod(
            "share", script, main=MOUNT, containers=[other | {"name": "other", **MOUNT}],
            volumes=volume(emptyDir={"medium": medium}),
        )
    )  # fmt: skip
    eventually(lambda: ns.run("logs", "share", "-c", "main", check=False) == "shared\n")


def test_a_config_map_and_a_secret_are_files_and_follow_a_change(ns: Namespace) -> None:
    ns.run("create", "configmap", "c", "--from-literal=key=one")
    ns.run("create", "secret", "generic", "s", "--from-literal=password=hidden")
    source = {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]}
    ns.start(pod("files", main=MOUNT, volumes=volume(projected=source)))
    assert ns.exec("files", "cat", "/v/key", "/v/password") == "onehidden"
    ns.run("patch", "configmap", "c", "-p", '{"data": {"key": "two"}}')
    eventually(lambda: ns.exec("files", "cat", "/v/key") == "two", limit=150)


def test_the_downward_api_tells_a_pod_of_itself(ns: Namespace) -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {
            "path": "limit",
            "resourceFieldRef": {"containerName": "main", "resource": "limits.memory"},
        },
    ]
    main = {
        **MOUNT,
        "resources": {"limits": {"memory": "64Mi"}},
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    }
    log = ns.finish(
        pod(
            "self", "cat /v/labels; echo; cat /v/limit; echo; echo $IP; hostname -i",
            main=main, metadata={"labels": {"a": "b"}},
            volumes=volume(downwardAPI={"items": items}),
        )
    ).splitlines()  # fmt: skip
    assert log[:2] == ['a="b"', "67108864"]
    assert log[2] == log[3]


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


def test_a_host_path_that_must_exist_and_does_not_is_told(ns: Namespace, tmp_path: Path) -> None:
    source = {"path": str(tmp_path / "gone"), "type": "Directory"}
    ns.apply(pod("gone", main=MOUNT, volumes=volume(hostPath=source)))
    eventually(lambda: "FailedMount" in ns.run("get", "events"))


def test_a_sub_path_is_one_file_or_directory_of_a_volume(ns: Namespace) -> None:
    ns.run("create", "configmap", "c", "--from-literal=a=A", "--from-literal=b=B")
    mounts = [
        {"name": "v", "mountPath": "/etc/a", "subPath": "a"},
        {"name": "e", "mountPath": "/e", "subPathExpr": "$(NAME)/deep"},
    ]
    log = ns.finish(
        pod(
            "sub", "cat /etc/a; echo; touch /e/f; ls /etc | grep -c '^b$'; ls /whole/sub/deep",
            main={
                "volumeMounts": [*mounts, {"name": "e", "mountPath": "/whole"}],
                "env": [{"name": "NAME", "value": "sub"}],
            },
            volumes=[*volume(configMap={"name": "c"}), {"name": "e", "emptyDir": {}}],
        )
    )  # fmt: skip
    assert log.splitlines() == ["A", "0", "f"]


def test_a_sub_path_that_a_tenant_made_a_link_does_not_lead_out_of_its_volume(
    ns: Namespace,
) -> None:
    link = pod("x", "ln -s /etc /v/out")["spec"]["containers"][0] | {"name": "link", **MOUNT}
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/s", "subPath": "out"}]}
    ns.apply(pod("out", main=mount, initContainers=[link], volumes=volume(emptyDir={})))
    ns.until("out", lambda p: "waiting" in container(p).get("state", {}))
    eventually(lambda: "Failed" in ns.run("get", "events"))
    assert "running" not in container(ns.get("pod", "out"))["state"]


def test_an_image_is_a_read_only_volume(ns: Namespace) -> None:
    script = "cat /v/hello; cat /s/file; touch /v/x 2>/dev/null || echo refused"
    mounts = [
        {"name": "v", "mountPath": "/v"},
        {"name": "v", "mountPath": "/s", "subPath": "sub"},
    ]
    source = {"reference": DATA, "pullPolicy": "IfNotPresent"}
    log = ns.finish(
        pod("image", script, main={"volumeMounts": mounts}, volumes=volume(image=source))
    )
    assert log == "hello from an image\nsub\nrefused\n"


def test_a_local_persistent_volume_is_bound_and_kept(ns: Namespace, tmp_path: Path) -> None:
    name = f"pv-{ns.name}"
    affinity = {
        "required": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}
            ]
        }
    }
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": name}
    capacity = {"storage": "1Mi"}
    ns.apply(
        {
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {
                **spec, "capacity": capacity, "nodeAffinity": affinity,
                "local": {"path": str(tmp_path)}, "persistentVolumeReclaimPolicy": "Delete",
            },
        },
        {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "claim"},
            "spec": {**spec, "resources": {"requests": capacity}},
        },
    )  # fmt: skip
    try:
        claim = volume(persistentVolumeClaim={"claimName": "claim"})
        ns.finish(pod("writes", "echo kept > /v/f", main=MOUNT, volumes=claim))
        assert ns.finish(pod("reads", "cat /v/f", main=MOUNT, volumes=claim)) == "kept\n"
    finally:
        ns.run("delete", "persistentvolume", name, "--wait=false")


def test_mounts_propagate_as_asked(ns: Namespace, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    privileged = {"securityContext": {"privileged": True}}
    mount = {
        "volumeMounts": [{"name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional"}]
    }
    maker = pod("x", "mount -t tmpfs t /v/m; touch /v/m/inside; sleep 3600")["spec"]["containers"][
        0
    ]
    maker |= {"name": "maker", **privileged, **mount}
    see = {
        "volumeMounts": [{"name": "v", "mountPath": "/v", "mountPropagation": "HostToContainer"}]
    }
    ns.start(
        pod(
            "spread", main=see, containers=[maker],
            volumes=volume(hostPath={"path": str(tmp_path)}),
        )
    )  # fmt: skip
    eventually(lambda: "inside" in ns.exec("spread", "ls", "/v/m"))
    ns.run("exec", "spread", "-c", "maker", "--", "umount", "/v/m")


def test_a_read_only_mount_is_read_only_recursively_where_asked(
    ns: Namespace, tmp_path: Path
) -> None:
    mount = {"name": "v", "mountPath": "/v", "readOnly": True, "recursiveReadOnly": "Enabled"}
    script = "touch /v/x 2>/dev/null || echo refused"
    source = {"path": str(tmp_path)}
    log = ns.finish(
        pod("ro", script, main={"volumeMounts": [mount]}, volumes=volume(hostPath=source))
    )
    assert log == "refused\n"


def test_fs_group_owns_a_volume(ns: Namespace) -> None:
    log = ns.finish(
        pod(
            "group", "stat -c %g /v; touch /v/f && stat -c %g /v/f",
            main=MOUNT, volumes=volume(emptyDir={}),
            securityContext={"runAsUser": 1000, "fsGroup": 4321},
        )
    )  # fmt: skip
    assert log == "4321\n4321\n"


def test_the_root_file_system_is_read_only_where_asked(ns: Namespace) -> None:
    script = "touch /x 2>/dev/null || echo refused; touch /v/x && echo volume"
    main = {**MOUNT, "securityContext": {"readOnlyRootFilesystem": True}}
    log = ns.finish(pod("ro", script, main=main, volumes=volume(emptyDir={})))
    assert log == "refused\nvolume\n"
