"""The programs and documents of one pod of the daemon, read from outside, for the floor.

conmon's command line comes from /proc, the OCI document from the bundle, the CNI configuration from
the cache of its result, the layers from the mount. Another pod has the same texts with other ids.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.linux.mounts import mountinfo
from cri_shim.network.cache import Cache
from hack.benchlib.instance import Instance, conmons
from hack.benchlib.measured import Pod

CNI_DIRECTORIES = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")


@dataclass(frozen=True, slots=True)
class Template:
    """A pod as texts; `of` returns them with the ids of another pod."""

    pod: str
    container: str
    run_root: Path
    logs: str
    netns: str
    conmon: Sequence[str]
    document: str
    lower: str
    upper: str
    work: str
    plugin: Path
    plugin_input: Mapping[str, Any]
    plugin_env: Mapping[str, str]
    result: Mapping[str, Any]

    def of(self, text: str, pod: str, container: str) -> str:
        """Return `text` with other ids."""
        return text.replace(self.pod, pod).replace(self.container, container)

    def runtime(self) -> list[str]:
        """Return the OCI runtime with its global options, as conmon calls it."""
        path = self.conmon[self.conmon.index("-r") + 1]
        prefix = "--runtime-arg="
        options = [word.removeprefix(prefix) for word in self.conmon if word.startswith(prefix)]
        return [path, *options]


def take(instance: Instance, pod: Pod) -> Template:
    """Return the template of a running pod."""
    bundle = instance.run_root / "containers" / pod.container
    (monitor,) = conmons(bundle)
    argv = Path(f"/proc/{monitor}/cmdline").read_text().split("\0")[:-1]
    (mount,) = (m for m in mountinfo() if m.target == bundle / "rootfs")
    options = dict(o.split("=", 1) for o in mount.super_options if "=" in o)
    (entry,) = Cache(instance.root / "cni").entries()
    listed = json.loads(entry.config)
    (plugin,) = listed["plugins"]
    given = {**plugin, "name": listed["name"], "cniVersion": listed["cniVersion"]}
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "CNI_PATH": ":".join(d for d in CNI_DIRECTORIES if Path(d).is_dir()),
        "CNI_CONTAINERID": entry.container_id,
        "CNI_NETNS": entry.netns,
        "CNI_IFNAME": entry.interface,
        "CNI_ARGS": ";".join(f"{key}={value}" for key, value in entry.args),
    }
    places = (Path(d) / plugin["type"] for d in CNI_DIRECTORIES)
    return Template(
        pod=pod.id,
        container=pod.container,
        run_root=instance.run_root,
        logs=str(instance.logs),
        netns=entry.netns,
        conmon=argv,
        document=(bundle / "config.json").read_text(),
        lower=options["lowerdir"],
        upper=options["upperdir"],
        work=options["workdir"],
        plugin=next(place for place in places if place.is_file()),
        plugin_input=given,
        plugin_env=env,
        result=entry.result or {},
    )
