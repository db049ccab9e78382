"""The files of a pod that its containers see, by their path in the container.

A mount of the request at the same path wins.
"""

LOCALTIME = "/etc/localtime"
CONTAINERENV = "/run/.containerenv"
# Path in the container -> name in the pod's directory.
ALWAYS = {f"/etc/{name}": name for name in ("resolv.conf", "hostname", "hosts")}
CONFIGURED = {LOCALTIME: "localtime", CONTAINERENV: "containerenv"}  # if the node has them
