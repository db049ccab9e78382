"""The runtimes: configuration, command line, and the registry setting of each."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.clusterlib import files
from hack.clusterlib.place import PODS, Place
from hack.critestlib import tools
from hack.nodee2elib.machine import HANDLER, REGISTRY

_HOSTS = ("registry.k8s.io", "gcr.io")


@dataclass(frozen=True, slots=True)
class Runtime:
    """`configure` writes its files into the place; `environment` is added for its process."""

    name: str
    configure: Callable[[Place, str], None]  # the second argument: path of the OCI runtime
    command: Callable[[Place], list[str]]
    version: Callable[[], str]


def containerd() -> Path | None:
    """Return $CONTAINERD, or containerd of PATH; its shim must be beside it."""
    return tools.named("CONTAINERD", "containerd")


def _configure_cri_shim(place: Place, oci: str) -> None:
    registries = [
        f'[[registry]]\nprefix = "{host}"\nlocation = "{REGISTRY}"\ninsecure = true\n'
        for host in _HOSTS
    ]
    (place / "registries.conf").write_text("\n".join(registries))
    handlers = "".join(f'\n[runtimes.{name}]\npath = "{oci}"\n' for name in ("default", HANDLER))
    containers = '\n[containers]\nmissing_mount_source = "create"\n'  # as with containerd
    own = files.cri_shim(place, "cri-shim-e0")
    settings = f'runtime = "default"\n{own}{containers}{handlers}'
    (place / "cri-shim.toml").write_text(settings)


def _cri_shim_command(place: Place) -> list[str]:
    return [sys.executable, "-m", "cri_shim", "--config", str(place / "cri-shim.toml"), "serve"]


def _cri_shim_version() -> str:
    from hack.critestlib import instance

    return instance.versions()["cri-shim"]


def _configure_containerd(place: Place, oci: str) -> None:
    for host in _HOSTS:
        directory = place / "certs.d" / host
        directory.mkdir(parents=True)
        (directory / "hosts.toml").write_text(
            f'server = "https://{host}"\n[host."http://{REGISTRY}"]\n'
        )
    (place / "net.d" / "10-e2e.conflist").write_text(json.dumps(_network()))
    plugins = next(d for d in ("/usr/lib/cni", "/opt/cni/bin") if Path(d, "bridge").exists())
    runtime = "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'{}']\n{}"
    handlers = [
        runtime.format(
            name,
            "runtime_type = 'io.containerd.runc.v2'\n"
            f"[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'{name}'.options]\n"
            f"BinaryName = '{oci}'\nSystemdCgroup = false\n",
        )
        for name in ("default", HANDLER)
    ]
    (place / "containerd.toml").write_text(f"""\
version = 3
root = '{place / "root"}'
state = '{place / "run"}'
disabled_plugins = ['io.containerd.internal.v1.opt']

[grpc]
address = '{place.socket}'

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = 'registry.k8s.io/pause:3.10.2'

[plugins.'io.containerd.cri.v1.images'.registry]
config_path = '{place / "certs.d"}'

[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['{plugins}']
conf_dir = '{place / "net.d"}'

[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = 'default'

{"".join(handlers)}""")


def _network() -> Mapping[str, object]:
    """Return the same network as cri-shim's own one."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "e2e0", "isGateway": True, "hairpinMode": True}
    return {
        "cniVersion": "1.0.0",
        "name": "e2e",
        "plugins": [
            {**bridge, "ipam": ipam},
            {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
        ],
    }


def _containerd_command(place: Place) -> list[str]:
    program = containerd()
    if program is None:
        raise RuntimeError("containerd is not there: set CONTAINERD to it, or put it on PATH")
    path = f"PATH={program.parent}:{os.environ['PATH']}"  # the shim is beside it
    return ["env", path, str(program), "--config", str(place / "containerd.toml")]


def _containerd_version() -> str:
    program = containerd()
    return tools.version(program) if program else "none"


def oci(name: str) -> str:
    """Return the path of the OCI runtime; RuntimeError if there is none."""
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is not there: install it, or name another one with --oci")
    return str(Path(path).resolve())


RUNTIMES: Mapping[str, Runtime] = {
    "cri-shim": Runtime("cri-shim", _configure_cri_shim, _cri_shim_command, _cri_shim_version),
    "containerd": Runtime(
        "containerd", _configure_containerd, _containerd_command, _containerd_version
    ),
}
