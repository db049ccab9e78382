"""What a record names and the node does not have: it is given up, or only named."""

import shutil
from pathlib import Path

from cri_shim.linux import mounts
from cri_shim.linux.process import find_by_cmdline
from cri_shim.linux.process_handle import Process
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import container_config
from tests.integration.comparison import plants
from tests.integration.comparison.conftest import Node

SLEEP = ["sleep", "600"]


async def one(node: Node) -> dict[str, str]:
    """Return the only difference, which a dry run does not change."""
    (found,) = await node.compare()
    assert await node.compare() == [found]
    return dict(found)


async def repaired(node: Node) -> None:
    assert {each["result"] for each in await node.compare(repair=True)} == {"repaired"}
    assert await node.compare() == []


async def removable(node: Node, pod: str) -> None:
    """The kubelet sees that the pod is not ready, and removes it."""
    status = await node.rig.cri.pod_status(pod)
    assert status.state == api.SANDBOX_NOTREADY
    await node.rig.cri.stop_pod(pod)
    await node.rig.cri.remove_pod(pod)


async def test_a_pod_without_its_network_namespace_becomes_not_ready(node: Node) -> None:
    pod = await node.rig.cri.run_pod()
    netns = plants.paths(node.daemon).netns(pod)
    mounts.unmount(netns)

    found = await one(node)
    assert (found["class"], found["sort"], found["path"]) == ("namespace", "lost", str(netns))
    assert found["object"].startswith("pod test/pod")
    await node.compare(repair=True)
    await removable(node, pod)


async def test_a_pod_without_its_shm_becomes_not_ready(node: Node) -> None:
    pod = await node.rig.cri.run_pod()
    mounts.unmount(plants.paths(node.daemon).pod(pod) / "shm")

    assert (await one(node))["class"] == "mount"
    await node.compare(repair=True)
    await removable(node, pod)


async def test_a_pod_without_its_directory_becomes_not_ready(node: Node) -> None:
    pod = await node.rig.cri.run_pod()
    directory = plants.paths(node.daemon).pod(pod)
    for path in mounts.mounts_below(directory):
        mounts.unmount(path)
    shutil.rmtree(directory)

    assert (await one(node))["class"] == "directory"
    await node.compare(repair=True)
    await removable(node, pod)


async def test_the_root_file_system_of_a_created_container_is_mounted_again(node: Node) -> None:
    cri = node.rig.cri
    container = await cri.create(await cri.run_pod(), container_config(SLEEP))
    mounts.unmount(plants.paths(node.daemon).rootfs(container))

    assert (await one(node))["class"] == "mount"
    await repaired(node)
    await cri.start(container)
    assert (await cri.exec(container, "true")).exit_code == 0


async def test_a_created_container_without_its_bundle_has_exited(node: Node) -> None:
    cri = node.rig.cri
    container = await cri.create(await cri.run_pod(), container_config(SLEEP))
    bundle = plants.paths(node.daemon).bundle(container)
    for path in mounts.mounts_below(bundle):
        mounts.unmount(path)
    shutil.rmtree(bundle)

    assert (await one(node))["class"] == "directory"
    await repaired(node)
    status = await cri.status(container)
    assert status.state == api.CONTAINER_EXITED
    assert status.message == "the daemon's files of this container are gone from the node"
    await cri.remove(container)


async def test_a_running_container_without_conmon_is_named_and_runs_on(node: Node) -> None:
    cri = node.rig.cri
    container = await cri.run(await cri.run_pod(), SLEEP)
    (monitor,) = find_by_cmdline(lambda words: words[1:3] == ["-c", container])
    with Process.at(monitor) as conmon:
        await conmon.kill()

    found = await one(node)

    assert (found["class"], found["repair"]) == ("conmon", "")
    assert [each["result"] for each in await node.compare(repair=True)] == [""]
    assert (await cri.status(container)).state == api.CONTAINER_RUNNING


async def test_a_running_container_that_crun_does_not_list_is_named_and_runs_on(
    node: Node,
) -> None:
    cri = node.rig.cri
    container = await cri.run(await cri.run_pod(), SLEEP)
    listed = node.daemon.run_root / "oci/crun" / container
    aside = node.daemon.directory / "aside"
    listed.rename(aside)

    found = await one(node)
    await node.compare(repair=True)
    aside.rename(listed)

    assert (found["class"], found["path"], found["repair"]) == ("OCI runtime", str(listed), "")
    assert (await cri.exec(container, "true")).exit_code == 0


async def test_an_address_that_is_not_reserved_any_more_is_named(node: Node) -> None:
    pod = await node.rig.cri.run_pod()
    (lease,) = [p for p in (node.daemon.root / "cni/networks").glob("*/*") if pod in _text(p)]
    content = lease.read_bytes()
    lease.unlink()

    found = await one(node)
    lease.write_bytes(content)

    assert (found["class"], found["sort"], found["path"]) == ("address", "lost", str(lease))


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


async def test_an_image_without_a_layer_is_forgotten_and_can_be_had_again(node: Node) -> None:
    cri = node.rig.cri
    (layer,) = [p for p in (node.daemon.root / "layers").iterdir() if p.name[0] != "."]
    layer.rename(node.daemon.directory / "aside")

    found = await one(node)
    assert (found["class"], found["sort"]) == ("layer", "lost")
    await node.compare(repair=True)
    images = (await cri.image.ListImages(api.ListImagesRequest())).images

    assert list(images) == []
    await cri.load_busybox()
    _remove(node.daemon.directory / "aside")


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


async def test_a_manifest_that_is_gone_is_named(node: Node) -> None:
    blobs = list((node.daemon.root / "images/blobs/sha256").iterdir())
    blobs[0].rename(node.daemon.directory / "aside")

    found = await one(node)
    (node.daemon.directory / "aside").rename(blobs[0])

    assert (found["class"], found["sort"], found["repair"]) == ("blob", "lost", "")
