"""The files of a pod that its containers see, by their path in the container.

A mount of the request at the same path wins.
"""

from cri_shim.spec import origins

LOCALTIME = "/etc/localtime"
CONTAINERENV = "/run/.containerenv"
# Path in the container -> name in the pod's directory.
ALWAYS = {f"/etc/{name}": name for name in ("resolv.conf", "hostname", "hosts")}
# Path in the container -> its origin; that of other files is cri-shim.
ORIGINS = {
    "/etc/hostname": origins.cri("sandbox_config.hostname"),
    LOCALTIME: origins.default("containers.timezone"),
    CONTAINERENV: origins.default("containers.containerenv"),
}
CONFIGURED = {LOCALTIME: "localtime", CONTAINERENV: "containerenv"}  # if the node has them
