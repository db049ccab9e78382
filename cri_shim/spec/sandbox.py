"""A pod as an OCI document, for tools that read PodSandboxStatus.

Other runtimes report the document of a pod's pause container. A pod without a pause process reports
this one. It has what tools look for: paths of namespaces, annotations, host name and cgroup.
"""

from collections.abc import Mapping

from cri_shim.pb import api_pb2
from cri_shim.spec import annotations, namespaces, userns
from cri_shim.spec.document import OCI_VERSION, Document


def build(
    pod_id: str,
    pod: api_pb2.PodSandboxConfig,
    pinned: Mapping[str, str],
    cgroups_path: str,
    hostname: str,
) -> Document:
    """Return the document; `pinned` has the pod's own namespaces, kind -> path.

    `cgroups_path` is the cgroup that a pause process would have. A namespace that the pod shares
    with the node is left out.
    """
    entries = [entry for entry in namespaces.build(pinned, cgroup=False) if "path" in entry]
    ids = userns.of_pod(pod)
    document: Document = {
        "ociVersion": OCI_VERSION,
        "annotations": annotations.build("sandbox", pod_id, pod),
        "linux": {
            "namespaces": entries,
            "cgroupsPath": cgroups_path,
            "sysctl": dict(pod.linux.sysctls),
        }
        | (ids.of_linux() if ids is not None else {}),
    }
    if "uts" in pinned:
        document["hostname"] = hostname
    return document
