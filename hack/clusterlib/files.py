"""The configuration files, tokens and keys of a cluster."""

import json
import secrets
import subprocess
from pathlib import Path
from typing import Any

from hack.clusterlib.place import API, NODE, NODE_IP, PODS, REGISTRY, Place

# user -> (file of its kubeconfig, groups)
USERS = {
    "admin": ("admin", "system:masters"),
    "system:kube-controller-manager": ("controller-manager", ""),
    "system:kube-scheduler": ("scheduler", ""),
    "system:kube-proxy": ("proxy", ""),
    f"system:node:{NODE}": ("kubelet", "system:nodes"),
}
UNSAFE_SYSCTLS = ["kernel.msg*", "net.core.somaxconn", "net.ipv4.conf.*"]


def write(place: Place) -> None:
    """Write all files below the cluster's directory."""
    for name in ("log", "pids", "net.d", "netns", "manifests", "root", "run"):
        (place / name).mkdir()
    _users(place)
    _service_account_key(place / "service-account.key")
    (place / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    (place / "kubelet.json").write_text(json.dumps(_kubelet(place), indent=1))
    (place / "registries.conf").write_text(
        f'[[registry]]\nlocation = "{REGISTRY}"\ninsecure = true\n'
    )
    (place / "cri-shim.toml").write_text(cri_shim(place, "cri-shim-c0"))


def _users(place: Place) -> None:
    rows = []
    for user, (file, groups) in USERS.items():
        token = secrets.token_hex(16)
        rows.append(f'{token},{user},{user},"{groups}"\n')
        path = place / f"{file}.kubeconfig"
        path.write_text(json.dumps(_kubeconfig(token)))
        path.chmod(0o600)
    (place / "tokens.csv").write_text("".join(rows))
    (place / "tokens.csv").chmod(0o600)


def _kubeconfig(token: str) -> dict[str, Any]:
    cluster = {"server": API, "insecure-skip-tls-verify": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }


def _service_account_key(path: Path) -> None:
    command = ["openssl", "genrsa", "-out", str(path), "2048"]
    subprocess.run(command, check=True, capture_output=True)


def _kubelet(place: Place) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "address": NODE_IP,
        "containerRuntimeEndpoint": f"unix://{place.socket}",
        "cgroupRoot": place.cgroup,
        "clusterDNS": ["192.0.2.1"],
        "clusterDomain": "cluster.local",
        "resolvConf": str(place / "resolv.conf"),
        "staticPodPath": str(place / "manifests"),
        "fileCheckFrequency": "2s",
        "podLogsDir": str(place / "pods"),
        "containerLogMaxSize": "200Ki",
        "containerLogMaxFiles": 3,
        "containerLogMonitorInterval": "3s",
        "crashLoopBackOff": {"maxContainerRestartPeriod": "5s"},
        "failSwapOn": False,
        "failCgroupV1": False,
        "oomScoreAdj": 0,  # the machine's root may be unable to set a lower one
        "serializeImagePulls": False,
        "maxPods": 120,
        "allowedUnsafeSysctls": UNSAFE_SYSCTLS,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": False,
        "shutdownGracePeriod": "0s",
    }


def cri_shim(place: Place, bridge: str) -> str:
    """Return the configuration of the private cri-shim."""
    return f"""\
cni_config_dir = "{place / "net.d"}"

[server]
root = "{place / "root"}"
run_root = "{place / "run"}"
socket = "{place.socket}"

[network]
netns_dir = "{place / "netns"}"
bridge = "{bridge}"
subnet = "{PODS}"

[image]
registries_conf = "{place / "registries.conf"}"
"""
