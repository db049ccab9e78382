"""The pause process: pid 1 of a pid namespace that the containers of a pod share.

It is `catatonit -P`, a static init from a distribution package, bound into an empty root file
system. It only reaps orphans, so it needs no image, no capability and no other file. Pods without a
shared pid namespace have no pause process.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cri_shim.pb import api_pb2
from cri_shim.spec import annotations, devices, namespaces, process, resources, rootless, scope
from cri_shim.spec.document import OCI_VERSION, Document
from cri_shim.spec.host import Host
from cri_shim.spec.mounts import DEV, PROC
from cri_shim.spec.protection import NONE, Protection
from cri_shim.spec.userns import IdMap
from cri_shim.spec.users import User

INIT = "/catatonit"  # its path in the root file system
OOM_SCORE_ADJ = -998  # that of Kubernetes for pod sandboxes: they are killed last
CPU_SHARES = 2  # the minimum


@dataclass(frozen=True, slots=True)
class PauseInput:
    """Everything that the document of a pause process depends on."""

    pod_id: str
    pod: api_pb2.PodSandboxConfig
    init: str  # host path of the static init
    host: Host
    cgroups_path: str
    namespaces: Mapping[str, str]  # pinned net, ipc, uts: kind -> path; the pid namespace is new
    rootfs: str = "rootfs"  # an empty directory
    protection: Protection = NONE
    ids: IdMap | None = None  # listed with the user namespace if Handler.maps_ids


def build(inp: PauseInput) -> Document:
    """Return the runtime-spec document of the pause process of a pod."""
    document = {
        "ociVersion": OCI_VERSION,
        "process": {
            "terminal": False,
            "user": process.user(_user(inp.pod.linux.security_context)),
            "args": [INIT, "-P"],
            "env": [f"PATH={process.DEFAULT_PATH}"],
            "cwd": "/",
            "capabilities": {"bounding": [], "effective": [], "permitted": []},
            "noNewPrivileges": True,
            "oomScoreAdj": resources.oom_score_adj(OOM_SCORE_ADJ, inp.host),
        }
        | inp.protection.of_process(),
        "root": {"path": inp.rootfs, "readonly": True},
        "mounts": [
            dict(PROC),
            dict(DEV),
            {
                "destination": INIT,
                "type": "bind",
                "source": inp.init,
                "options": ["bind", "rprivate", "ro", "nosuid", "nodev"],
            },
        ],
        "annotations": annotations.build("sandbox", inp.pod_id, inp.pod)
        | scope.annotations(inp.cgroups_path, inp.pod.annotations),
        "linux": {
            "namespaces": namespaces.build(
                {**inp.namespaces, "pid": namespaces.NEW}, cgroup=inp.host.cgroup_v2
            ),
            "cgroupsPath": inp.cgroups_path,
            "resources": {
                "cpu": {"shares": CPU_SHARES},
                "devices": devices.rules((), privileged=False),
            },
        }
        | inp.protection.of_linux()
        | (inp.ids.of_linux() if inp.ids is not None else {}),
    }
    return rootless.adapted(document, inp.host) if inp.host.rootless else document


def _user(context: api_pb2.LinuxSandboxSecurityContext) -> User:
    """Return the pod's numeric user; there is no passwd file to look up names."""
    uid, gid = context.run_as_user.value, context.run_as_group.value
    return User(uid, gid, tuple(sorted({gid, *context.supplemental_groups})))
