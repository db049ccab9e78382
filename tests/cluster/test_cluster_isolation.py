"""Namespaces of the host, ports, sysctls, user namespaces, security contexts, RuntimeClass."""

import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from hack.clusterlib.place import NODE, NODE_IP
from tests.cluster.kubectl import (
    MOUNT,
    SERVE,
    Namespace,
    container,
    eventually,
    member,
    pod,
    volume,
)


@pytest.mark.parametrize(
    ("field", "kind"), [("hostNetwork", "net"), ("hostPID", "pid"), ("hostIPC", "ipc")]
)
def test_a_pod_shares_a_namespace_of_the_node_if_requested(
    ns: Namespace, field: str, kind: str
) -> None:
    own = Path(f"/proc/self/ns/{kind}").readlink()
    shared: dict[str, Any] = {field: True}
    ns.start(pod("host", **shared))
    ns.start(pod("apart"))
    assert ns.exec("host", "readlink", f"/proc/self/ns/{kind}").strip() == str(own)
    assert ns.exec("apart", "readlink", f"/proc/self/ns/{kind}").strip() != str(own)


def test_a_host_port_is_reached_at_the_node(ns: Namespace) -> None:
    ports = {"ports": [{"containerPort": 8080, "hostPort": 18081}]}
    ns.start(pod("port", f"mkdir /w; echo page > /w/index.html; {SERVE}", main=ports))

    def answer() -> bool:
        try:
            with urllib.request.urlopen(f"http://{NODE_IP}:18081/index.html", timeout=5) as page:
                return bool(page.read() == b"page\n")
        except OSError:
            return False

    eventually(answer)


@pytest.mark.bounded
def test_sysctls_affect_only_the_pod(ns: Namespace) -> None:
    sysctls = [
        {"name": "kernel.shm_rmid_forced", "value": "1"},
        {"name": "net.core.somaxconn", "value": "321"},
        {"name": "net.ipv4.ping_group_range", "value": "0 100"},
    ]
    script = "cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/core/somaxconn"
    assert ns.finish(pod("s", script, securityContext={"sysctls": sysctls})) == "1\n321\n"
    assert Path("/proc/sys/net/core/somaxconn").read_text() != "321\n"


def test_root_of_a_user_namespace_is_an_unprivileged_user_on_the_node(ns: Namespace) -> None:
    found = ns.start(pod("mapped", hostUsers=False))
    first, start, length = ns.exec("mapped", "cat", "/proc/self/uid_map").split()
    assert first == "0"
    assert int(start) >= 65536
    assert int(length) >= 65536
    assert found["spec"]["hostUsers"] is False


@pytest.mark.bounded
def test_a_user_namespace_keeps_the_owner_of_volumes(ns: Namespace) -> None:
    script = "touch /v/f && stat -c %u /v/f; echo out > /dev/stdout"
    log = ns.finish(pod("mapped", script, main=MOUNT, volumes=volume(emptyDir={}), hostUsers=False))
    assert log == "0\nout\n"


def test_users_groups_and_capabilities_are_as_requested(ns: Namespace) -> None:
    context = {"runAsUser": 1234, "runAsGroup": 2345, "capabilities": {"drop": ["ALL"]}}
    script = "id -u; id -g; id -G; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status"
    log = ns.finish(
        pod(
            "ids", script,
            main={"securityContext": {**context, "allowPrivilegeEscalation": False}},
            securityContext={"supplementalGroups": [3456], "supplementalGroupsPolicy": "Strict"},
        )
    )  # fmt: skip
    lines = log.split()
    assert lines[:4] == ["1234", "2345", "2345", "3456"]
    assert lines[-3:] == ["0000000000000000", "NoNewPrivs:", "1"]


def test_the_default_seccomp_profile_refuses_new_namespaces(ns: Namespace) -> None:
    context = {"seccompProfile": {"type": "RuntimeDefault"}}
    script = "unshare -U true 2>/dev/null && echo made || echo refused"
    assert ns.finish(pod("s", script, securityContext=context)) == "refused\n"


@pytest.mark.bounded
def test_a_runtime_class_chooses_the_handler(ns: Namespace) -> None:
    name = f"rc-{ns.name}"
    ns.apply(
        {
            "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
            "metadata": {"name": name}, "handler": "runc",
        }
    )  # fmt: skip
    try:
        assert ns.finish(pod("runc", "echo ran", runtimeClassName=name)) == "ran\n"
    finally:
        ns.run("delete", "runtimeclass", name)


def test_a_runtime_class_without_a_handler_is_reported(ns: Namespace) -> None:
    name = f"rc-{ns.name}"
    ns.apply(
        {
            "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
            "metadata": {"name": name}, "handler": "nothere",
        }
    )  # fmt: skip
    try:
        ns.apply(pod("none", runtimeClassName=name))
        eventually(lambda: "nothere" in ns.run("get", "events"))
    finally:
        ns.run("delete", "runtimeclass", name)


def test_containers_of_a_pod_share_its_pid_namespace_if_requested(ns: Namespace) -> None:
    other = member("other", "exec sleep 4321")
    ns.start(pod("share", containers=[other], shareProcessNamespace=True))
    assert "sleep 4321" in ns.run("exec", "share", "-c", "main", "--", "ps")


def test_host_aliases_dns_and_host_name_are_written(ns: Namespace) -> None:
    log = ns.finish(
        pod(
            "names", "cat /etc/hosts /etc/resolv.conf; hostname",
            hostAliases=[{"ip": "192.0.2.9", "hostnames": ["alias.test"]}],
            dnsPolicy="None", dnsConfig={"nameservers": ["192.0.2.53"], "searches": ["a.test"]},
            hostname="given", subdomain="sub",
        )
    )  # fmt: skip
    assert "alias.test" in log
    assert "nameserver 192.0.2.53" in log
    assert log.endswith("given\n")


def test_a_static_pod_runs_and_ends_with_its_file(ns: Namespace) -> None:
    manifest = pod("static", metadata={"namespace": ns.name})
    file = ns.place / "manifests" / f"{ns.name}.json"
    partial = file.with_suffix(".new")
    partial.write_text(json.dumps(manifest))
    os.replace(partial, file)  # noqa: PTH105
    try:
        found = ns.until_ready(f"static-{NODE}")
        assert container(found)["ready"]
    finally:
        file.unlink()
    eventually(lambda: not ns.items("pods"))
