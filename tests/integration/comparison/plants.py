"""Leftovers, one of each class, made with the real programs; each returns the planted path."""

import base64
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Awaitable, Callable

from cri_shim.assembly import node as assembly_node
from cri_shim.comparison.groups import own_parents
from cri_shim.config import load
from cri_shim.engine import Paths
from cri_shim.isolation import namespaces
from cri_shim.isolation.cgroups import Cgroups
from cri_shim.isolation.hierarchies import Hierarchies
from cri_shim.linux import mounts
from tests.fixtures.daemon import Daemon
from tests.integration.comparison.conftest import Node

Plant = Callable[[Node, str], Awaitable[str]]


def paths(daemon: Daemon) -> Paths:
    return Paths(daemon.root, daemon.run_root, daemon.directory / "netns")


def cgroups(daemon: Daemon) -> Cgroups:
    daemon.command()  # writes the configuration
    found = assembly_node.cgroups(load(daemon.directory / "config.toml"), paths(daemon))
    assert isinstance(found, Cgroups)
    return found


async def directory(node: Node, id: str) -> str:
    place = paths(node.daemon).pod(id)
    (place / "etc").mkdir(parents=True)
    (place / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    return str(place)


async def writable_layer(node: Node, id: str) -> str:
    place = node.daemon.root / "containers" / id
    (place / "upper").mkdir(parents=True)
    return str(place)


async def pod_logs(node: Node, id: str) -> str:
    place = node.daemon.root / "logs" / id
    place.mkdir(parents=True)
    (place / "main.log").touch()
    return str(place)


async def mount(node: Node, id: str) -> str:
    place = paths(node.daemon).bundle(id) / "something"
    place.mkdir(parents=True)
    mounts.tmpfs(place, 1 << 20, 0o700)
    return str(place)


async def log(node: Node, id: str) -> str:
    place = node.daemon.run_root / "logs" / id
    place.mkdir()
    mounts.bind(node.daemon.directory, place)
    return str(place)


async def pins(node: Node, id: str) -> str:
    at = paths(node.daemon)
    namespaces.pin({"net": at.netns(id), "ipc": at.pin(id, "ipc")}, hostname=None, sysctls={})
    return str(at.netns(id))


async def group(node: Node, id: str) -> str:
    parent = own_parents(cgroups(node.daemon))[-1]
    for tree in Hierarchies().all():
        tree.group(f"{parent}/{id}").mkdir(parents=True)
    return str(Hierarchies().all()[0].group(f"{parent}/{id}"))


async def group_of_monitor(node: Node, id: str) -> str:
    parent = own_parents(cgroups(node.daemon))[0]
    made = Hierarchies().all()[0].group(f"{parent}/{id}")
    made.mkdir(parents=True)
    return str(made)


async def container(node: Node, id: str) -> str:
    """A container that crun and conmon run, of which no record tells."""
    return _run_container(node, id)


def _run_container(node: Node, id: str) -> str:
    daemon, bundle = node.daemon, paths(node.daemon).bundle(id)
    bundle.mkdir(parents=True)
    (bundle / "rootfs").mkdir()
    image = daemon.directory / "image"
    (image / "bin").mkdir(parents=True, exist_ok=True)
    if not (image / "bin" / "busybox").exists():
        shutil.copy(str(shutil.which("busybox")), image / "bin" / "busybox")
    mounts.bind(image, bundle / "rootfs")
    subprocess.run(["crun", "spec"], cwd=bundle, check=True)
    document = json.loads((bundle / "config.json").read_text())
    document["process"] |= {"terminal": False, "args": ["/bin/busybox", "sleep", "600"]}
    document["linux"]["cgroupsPath"] = cgroups(daemon).oci_path("", id)
    document["annotations"] = {
        "io.kubernetes.cri.sandbox-namespace": "test",
        "io.kubernetes.cri.sandbox-name": "lost",
        "io.kubernetes.cri.container-name": "main",
    }
    (bundle / "config.json").write_text(json.dumps(document))
    root = daemon.run_root / "oci" / "crun"
    command = ["conmon", "-c", id, "-u", id, "-n", id, "-b", str(bundle), "-r", "/usr/bin/crun"]
    command += [f"--runtime-arg=--root={root}", "-p", str(bundle / "pidfile")]
    command += ["-P", str(bundle / "conmon.pid"), "--persist-dir", str(bundle), "-l", "none"]
    command.append("--full-attach")
    read, write = os.pipe()
    environment = {**os.environ, "_OCI_SYNCPIPE": str(write)}
    subprocess.run(
        command,
        cwd=bundle,
        check=True,
        stdin=subprocess.DEVNULL,
        env=environment,
        pass_fds=(write,),
    )
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        assert b'"pid": ' in answer.readline()
    subprocess.run(["crun", f"--root={root}", "start", id], check=True)
    return str(root / id)


async def address(node: Node, id: str) -> str:
    """An address that the real host-local has given to a pod without a record."""
    config = await _network(node, "host-local")
    _plugin(node, "host-local", "ADD", id, config)
    (lease,) = [p for p in (node.daemon.root / "cni/networks").glob("*/*") if id in p.read_text()]
    return str(lease)


async def torn_address(node: Node, id: str) -> str:
    """A reservation that a power cut has left without the id."""
    lease = node.daemon.root / "cni/networks/cri-shim" / node.daemon.subnet.replace("0/24", "200")
    lease.parent.mkdir(parents=True, exist_ok=True)
    lease.touch()
    os.utime(lease, (0, 0))
    return str(lease)


async def cached(node: Node, id: str) -> str:
    """The result of ADD of a pod that has no record: that of another pod, with this id."""
    pod = await node.rig.cri.run_pod()
    results = node.daemon.root / "cni/results"
    (known,) = results.glob(f"*-{pod}-eth0")
    made = results / known.name.replace(pod, id)
    made.write_text(known.read_text().replace(pod, id))
    return str(made)


async def ports(node: Node, id: str) -> str:
    """Rules that the real portmap has made for a pod without a record."""
    config = await _network(node, "portmap")
    address = node.daemon.subnet.replace("0/24", "77")
    config["runtimeConfig"] = {
        "portMappings": [{"hostPort": 15353, "containerPort": 53, "protocol": "udp"}]
    }
    config["prevResult"] = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "sandbox": str(node.daemon.directory / "node")}],
        "ips": [{"address": f"{address}/24", "interface": 0}],
    }
    _plugin(node, "portmap", "ADD", id, config)
    return f"host port rules to {address}"


async def _network(node: Node, type: str) -> dict[str, object]:
    """Return the configuration of the bundled network as a plugin gets it."""
    pod = await node.rig.cri.run_pod()
    (known,) = (node.daemon.root / "cni/results").glob(f"*-{pod}-eth0")
    listed = json.loads(base64.b64decode(json.loads(known.read_text())["config"]))
    plugins = {plugin["type"]: plugin for plugin in listed["plugins"]}
    plugin = plugins.get(type) or {"type": type, "snat": True}
    if type == "host-local":
        plugin = {"ipam": plugins["bridge"]["ipam"]}
    return {**plugin, "name": listed["name"], "cniVersion": "1.0.0"}


def _plugin(node: Node, name: str, verb: str, id: str, config: dict[str, object]) -> None:
    environment = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": id,
        "CNI_NETNS": str(node.daemon.directory / "node"),
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/usr/lib/cni",
        "PATH": os.environ["PATH"],
    }
    command = [*node.daemon.wrapper, f"/usr/lib/cni/{name}"]
    done = subprocess.run(
        command,
        input=json.dumps(config).encode(),
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


async def layer(node: Node, id: str) -> str:
    place = node.daemon.root / "layers" / id
    (place / "etc").mkdir(parents=True)
    return str(place)


async def recipe(node: Node, id: str) -> str:
    place = node.daemon.root / "recipes" / id
    place.parent.mkdir(exist_ok=True)
    place.touch()
    return str(place)


async def blob(node: Node, id: str) -> str:
    place = node.daemon.root / "images/blobs/sha256" / id
    place.touch()
    return str(place)


# Each with the class of the difference.
ALL: dict[str, tuple[str, Plant]] = {
    "directory of a pod": ("directory", directory),
    "writable layer": ("directory", writable_layer),
    "logs of a pod": ("directory", pod_logs),
    "mount": ("mount", mount),
    "mounted log directory": ("log", log),
    "pinned namespaces": ("namespace", pins),
    "control group": ("control group", group),
    "control group of a conmon": ("control group", group_of_monitor),
    "running container": ("OCI runtime", container),
    "address": ("address", address),
    "torn address": ("address", torn_address),
    "CNI result": ("CNI cache", cached),
    "host ports": ("host port", ports),
    "layer": ("layer", layer),
    "recipe": ("layer", recipe),
    "blob": ("blob", blob),
}


def new_id() -> str:
    return secrets.token_hex(32)
