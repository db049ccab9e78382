"""The node of a run: namespaces with a registry and a runtime that has the images."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from hack.clusterlib import host, namespaces
from hack.clusterlib.place import ClusterError, Place
from hack.nodee2elib import machine, supervisor, units
from hack.nodee2elib.runtimes import Runtime

DEFAULT = Path("/run/cri-shim-node-e2e")
_MODULE = "hack.nodee2elib.supervisor"
_KINDS = ("mount", "net", "pid", "ipc", "uts")
_START_LIMIT_S = 60.0
_PULL_LIMIT_S = 300.0
_END_LIMIT_S = 120.0
_PULLS = 4
_MADE_CDI = "made-cdi"
_LOGS = ("runtime", "registry", "supervisor")


@contextmanager
def running(
    place: Place, runtime: Runtime, oci: str, storage: Path, images: Sequence[str], logs: Path
) -> Iterator[None]:
    """Start everything and pull the images; at the end copy the logs, and remove everything."""
    _make(place, runtime, oci, storage)
    try:
        namespaces.start(place, environment(place, runtime), _MODULE, _KINDS)
        asyncio.run(_pull(place, images))
        yield
    finally:
        namespaces.end(place, _END_LIMIT_S)
        for name in _LOGS:
            if place.log(name).exists():
                shutil.copy(place.log(name), logs / f"{name}.log")
        _restore(place)
        shutil.rmtree(place.directory, ignore_errors=True)


def _make(place: Place, runtime: Runtime, oci: str, storage: Path) -> None:
    if place.directory.exists():
        end(place)
    place.create()
    host.save(place)
    host.make_cgroups(place)
    if not machine.CDI.exists():
        machine.CDI.mkdir()
        (place / _MADE_CDI).touch()
    for name in ("log", "pids", "net.d", "netns", "root", "run", "bin", "units", "suite"):
        (place / name).mkdir()
    registry = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}},
        "http": {"addr": machine.REGISTRY},
    }
    (place / "registry.json").write_text(json.dumps(registry))
    units.install(place / "bin", place / "units")
    runtime.configure(place, oci)


def end(place: Place) -> None:
    """Remove the remains of an earlier run that was killed; raise if a run is active."""
    if not place.is_ours():
        raise ClusterError(f"{place.directory} is not the directory of a run: name another one")
    if pid := namespaces.supervisor(place):
        raise ClusterError(f"hack/node-e2e runs in {place.directory} (pid {pid}): wait for its end")
    _restore(place)
    shutil.rmtree(place.directory)


def _restore(place: Place) -> None:
    """Undo the changes of the machine outside the namespaces."""
    host.remove_cgroups(place)
    host.restore(place)
    if (place / _MADE_CDI).exists():
        with suppress(OSError):  # another run uses it
            machine.CDI.rmdir()


def environment(place: Place, runtime: Runtime) -> dict[str, str]:
    """Return our environment without proxies: they would take requests to API server and pods."""
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return env | {
        "CRI_SHIM_CLUSTER": str(place.directory),
        "CRI_SHIM_CLUSTER_PROGRAMS": str(place.programs),
        supervisor.RUNTIME: runtime.name,
    }


def entering(place: Place, command: Sequence[str]) -> list[str]:
    """Return a command line that runs inside, in the programs' cgroups."""
    pid = namespaces.supervisor(place)
    if not pid:
        raise ClusterError(f"the supervisor ended: {place.log('supervisor').read_text()}")
    return [*namespaces.entering(pid, (*_KINDS, "cgroup")), *machine.joining(list(command))]


async def _pull(place: Place, images: Sequence[str]) -> None:
    """Wait for the runtime, and pull all images: the suite runs most pods without a pull."""
    limit = time.monotonic() + _START_LIMIT_S
    while not place.socket.exists():
        if time.monotonic() > limit or not namespaces.supervisor(place):
            raise ClusterError(f"the runtime does not start: {_last_words(place)}")
        await asyncio.sleep(0.1)
    slots = asyncio.Semaphore(_PULLS)
    async with Client(place.socket, timeout=_PULL_LIMIT_S) as client:

        async def pull(name: str) -> None:
            async with slots:
                request = api.PullImageRequest(image=api.ImageSpec(image=name))
                await client.image.PullImage(request)

        await asyncio.gather(*(pull(name) for name in images))


def _last_words(place: Place) -> str:
    texts = [place.log(name).read_text() for name in _LOGS if place.log(name).exists()]
    return "\n".join(text[-2000:] for text in texts if text)


def traces(place: Place) -> list[str]:
    """Return the leftovers on the machine after the end: a directory, mounts, cgroups."""
    mine = str(place.directory)
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    found = [f"mount {mount}" for mount in mounts if mount.startswith(mine)]
    found += [f"control group {group}" for group in _groups(place)]
    return found + ([f"directory {mine}"] if place.directory.exists() else [])


def _groups(place: Place) -> list[Path]:
    name = place.cgroup.removeprefix("/")
    return [path for path in Path("/sys/fs/cgroup").glob(f"*/{name}") if path.is_dir()]


def configuration(place: Place) -> Mapping[str, object]:
    """Return the kubelet's configuration, before the suite changes the values that it needs."""
    (place / "resolv.conf").write_text(machine.RESOLV_CONF)
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": "/",
        "podCIDR": "10.100.0.0/24",
        "volumeStatsAggPeriod": "10s",
        "fileCheckFrequency": "10s",
        "evictionPressureTransitionPeriod": "30s",
        "evictionHard": {
            "memory.available": "250Mi",
            "nodefs.available": "5%",
            "nodefs.inodesFree": "5%",
        },
        "serializeImagePulls": False,
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,  # the machine's root may be unable to set a lower one
        "makeIPTablesUtilChains": False,
        "imageGCHighThresholdPercent": 100,
        "resolvConf": str(place / "resolv.conf"),
    }
