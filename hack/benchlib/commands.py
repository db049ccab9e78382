"""The floor as a shell script that a reader can paste: the same programs, flags and documents.

The measurement runs the same commands without a shell: a shell adds some milliseconds to each step.
"""

import json
import shlex
from typing import Any

from hack.benchlib.template import Template

HOME = "/tmp/cri-shim-floor"
POD, CONTAINER = "floorpod", "floorcontainer"
BRIDGE = "csfloor0"


def script(template: Template) -> str:
    """Return a script that starts and removes one bare pod, and prints the time of each step."""
    text = _SCRIPT
    values = {
        "HOME": HOME,
        "NETNS": f"/run/netns/{POD}",
        "RUN": f"{HOME}/run",
        "POD": POD,
        "CONTAINER": CONTAINER,
        "BRIDGE": BRIDGE,
        "CNI_ENV": _cni_environment(template),
        "PLUGIN": str(template.plugin),
        "CNI_INPUT": json.dumps(_cni_input(template)),
        "CONFIG": json.dumps(_document(template)),
        "CONMON": " ".join(shlex.quote(_here(template, word)) for word in template.conmon),
        "RUNTIME": " ".join(shlex.quote(_here(template, word)) for word in template.runtime()),
        "RUNTIME_PATH": _here(template, template.runtime()[0]),
        "RUNTIME_NAME": template.runtime()[0].rpartition("/")[2],
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _here(template: Template, text: str) -> str:
    """Return a text of the template with the script's ids and paths."""
    for old, new in (
        (template.netns, f"/run/netns/{POD}"),
        (str(template.run_root), f"{HOME}/run"),
        (template.logs, f"{HOME}/logs"),
    ):
        text = text.replace(old, new)
    return template.of(text, POD, CONTAINER)


def _document(template: Template) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_here(template, template.document))
    document["linux"]["cgroupsPath"] = f"/{CONTAINER}"  # a parent would be left over
    return document


def _cni_environment(template: Template) -> str:
    env = {key: _here(template, value) for key, value in template.plugin_env.items()}
    return " ".join(f"{key}={shlex.quote(value)}" for key, value in env.items() if key != "PATH")


def _cni_input(template: Template) -> dict[str, Any]:
    """Return the plugin's input with a bridge and a reservation directory of its own."""
    given = dict(template.plugin_input)
    return given | {"bridge": BRIDGE, "ipam": {**given["ipam"], "dataDir": f"{HOME}/cni"}}


_SCRIPT = r"""
set -eu
mkdir -p @HOME@/lower/{bin,dev,etc,proc,sys,tmp} @HOME@/{upper,work,logs,run,cni} /run/netns
cp "$(command -v busybox)" @HOME@/lower/bin/
ln -f @HOME@/lower/bin/busybox @HOME@/lower/bin/sleep
ln -f @HOME@/lower/bin/busybox @HOME@/lower/bin/true
mount -t tmpfs floor @RUN@
mkdir -p @RUN@/{oci,oci-bin} @RUN@/pods/@POD@/{ns,shm,etc} @RUN@/containers/@CONTAINER@/rootfs
mkdir -p @HOME@/logs/bench1 @RUN@/logs/@CONTAINER@
touch @NETNS@ @RUN@/pods/@POD@/ns/{uts,ipc} @RUN@/pods/@POD@/etc/{hosts,hostname,resolv.conf}
if [ ! -e @RUNTIME_PATH@ ]; then  # crun copies itself each time unless it is read-only
    touch @RUNTIME_PATH@
    mount --bind "$(command -v @RUNTIME_NAME@)" @RUNTIME_PATH@
    mount -o remount,bind,ro @RUNTIME_PATH@
fi
cat >@HOME@/cni.json <<'JSON'
@CNI_INPUT@
JSON
cat >@RUN@/containers/@CONTAINER@/config.json <<'JSON'
@CONFIG@
JSON

step() {
    local name=$1 begin=$EPOCHREALTIME
    shift
    "$@"
    awk -v a="$begin" -v b="$EPOCHREALTIME" -v n="$name" \
        'BEGIN {printf "%-22s %7.2f ms\n", n, (b - a) * 1000}'
}
namespaces() {
    unshare --net=@NETNS@ --uts=@RUN@/pods/@POD@/ns/uts --ipc=@RUN@/pods/@POD@/ns/ipc \
        sh -c 'hostname floor; ip link set lo up'
}
plugin() { env CNI_COMMAND=$1 @CNI_ENV@ @PLUGIN@ <@HOME@/cni.json >@HOME@/result.json; }
mounts() {
    mount -t tmpfs -o size=64m,nosuid,nodev,noexec shm @RUN@/pods/@POD@/shm
    mount -t overlay -o lowerdir=@HOME@/lower,upperdir=@HOME@/upper,workdir=@HOME@/work,volatile \
        overlay @RUN@/containers/@CONTAINER@/rootfs
}
create() { _OCI_SYNCPIPE=3 @CONMON@ 3>&1 >/dev/null 2>&1 | head -n 1 >/dev/null; }
end() {
    kill -KILL "$(cat @RUN@/containers/@CONTAINER@/pidfile)"
    until [ -e @RUN@/containers/@CONTAINER@/exit ]; do :; done
}
unmounts() { umount @RUN@/containers/@CONTAINER@/rootfs @RUN@/pods/@POD@/shm; }
ends() { umount @NETNS@ @RUN@/pods/@POD@/ns/{uts,ipc}; rm @NETNS@; }

step 'namespaces' namespaces
step 'CNI ADD' plugin ADD
step 'mounts' mounts
step 'conmon + create' create
step 'start' @RUNTIME@ start @CONTAINER@
step 'exec' @RUNTIME@ exec @CONTAINER@ true
step 'kill + end of conmon' end
step 'delete' @RUNTIME@ delete @CONTAINER@
step 'unmounts' unmounts
step 'CNI DEL' plugin DEL
step 'end of namespaces' ends

ip link delete @BRIDGE@
umount -l @RUN@
rm -r @HOME@
""".lstrip()
