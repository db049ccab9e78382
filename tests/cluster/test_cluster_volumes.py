"""Volumes that the kubelet makes of its own data or of the API server's, and images as volumes."""

import pytest

from hack.clusterlib.images import DATA
from tests.cluster.kubectl import MOUNT, STAY, Namespace, container, eventually, member, pod, volume


@pytest.mark.parametrize("medium", ["", "Memory"])
def test_an_empty_dir_is_shared_by_the_containers_of_a_pod(ns: Namespace, medium: str) -> None:
    other = member("other", f"echo shared > /v/f; {STAY}", **MOUNT)
    script = "while ! test -s /v/f; do sleep 0.1; done; cat /v/f"
    ns.apply(
        pod(
            "share", script, main=MOUNT, containers=[other],
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
    ns.run("annotate", "pod", "files", "look=now")  # the kubelet looks at once, not in a minute
    eventually(lambda: ns.exec("files", "cat", "/v/key") == "two", limit=150)


def test_an_empty_dir_in_memory_has_its_size(ns: Namespace) -> None:
    source = {"medium": "Memory", "sizeLimit": "1Mi"}
    script = (
        "grep ' /v ' /proc/mounts; dd if=/dev/zero of=/v/f bs=64k count=32 2>&1 || stat -c %s /v/f"
    )
    log = ns.finish(pod("memory", script, main=MOUNT, volumes=volume(emptyDir=source)))
    assert log.startswith("tmpfs /v tmpfs rw")
    assert log.endswith(f"\n{1 << 20}\n")


@pytest.mark.bounded
def test_a_secret_is_in_memory_with_the_requested_mode_and_names(ns: Namespace) -> None:
    ns.run("create", "secret", "generic", "s", "--from-literal=a=A", "--from-literal=b=B")
    source = {"secretName": "s", "defaultMode": 0o400, "items": [{"key": "a", "path": "deep/er"}]}
    script = "ls /v; cat /v/deep/er; echo; stat -L -c %a /v/deep/er; grep ' /v ' /proc/mounts"
    log = ns.finish(pod("s", script, main=MOUNT, volumes=volume(secret=source))).splitlines()
    assert log[:3] == ["deep", "A", "400"]
    assert log[3].startswith("tmpfs ")


def test_a_config_map_and_a_secret_are_variables(ns: Namespace) -> None:
    ns.run("create", "configmap", "c", "--from-literal=ONE=1")
    ns.run("create", "secret", "generic", "s", "--from-literal=two=2")
    reference = {"secretKeyRef": {"name": "s", "key": "two"}}
    main = {
        "envFrom": [{"prefix": "C_", "configMapRef": {"name": "c"}}],
        "env": [
            {"name": "TWO", "valueFrom": reference},
            {"name": "BOTH", "value": "$(TWO)$(C_ONE)"},
        ],
    }
    assert ns.finish(pod("env", "echo $C_ONE $TWO $BOTH", main=main)) == "1 2 21\n"


def test_the_token_of_a_service_account_opens_the_api_server(ns: Namespace) -> None:
    ns.start(pod("token"))
    directory = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert ns.exec("token", "cat", f"{directory}/namespace") == ns.name
    token = ns.exec("token", "cat", f"{directory}/token")
    name = ns.run(
        "auth", "whoami", f"--token={token}", "-o", "jsonpath={.status.userInfo.username}"
    )
    assert name == f"system:serviceaccount:{ns.name}:default"


def test_the_downward_api_describes_the_pod(ns: Namespace) -> None:
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


@pytest.mark.bounded
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


def test_a_sub_path_replaced_by_a_link_does_not_leave_its_volume(
    ns: Namespace,
) -> None:
    link = member("link", "ln -s /etc /v/out", **MOUNT)
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/s", "subPath": "out"}]}
    ns.apply(pod("out", main=mount, initContainers=[link], volumes=volume(emptyDir={})))
    ns.until("out", lambda p: "waiting" in container(p).get("state", {}))
    eventually(lambda: "Failed" in ns.run("get", "events"))
    assert "running" not in container(ns.get("pod", "out"))["state"]


@pytest.mark.bounded
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


def test_fs_group_owns_a_volume(ns: Namespace) -> None:
    log = ns.finish(
        pod(
            "group", "stat -c %g /v; touch /v/f && stat -c %g /v/f",
            main=MOUNT, volumes=volume(emptyDir={}),
            securityContext={"runAsUser": 1000, "fsGroup": 4321},
        )
    )  # fmt: skip
    assert log == "4321\n4321\n"


def test_the_root_file_system_is_read_only_if_requested(ns: Namespace) -> None:
    script = "touch /x 2>/dev/null || echo refused; touch /v/x && echo volume"
    main = {**MOUNT, "securityContext": {"readOnlyRootFilesystem": True}}
    log = ns.finish(pod("ro", script, main=main, volumes=volume(emptyDir={})))
    assert log == "refused\nvolume\n"
