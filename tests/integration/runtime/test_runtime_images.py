"""Images and layers as objects of a runtime that is a library."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cri_shim import Runtime
from cri_shim.aio.child import run
from cri_shim.containers import create
from cri_shim.containers import remove as container_remove
from cri_shim.errors import NotFound
from cri_shim.images import query
from cri_shim.library.layer import chain_id
from cri_shim.linux import mounts
from cri_shim.pb import api_pb2 as api
from cri_shim.pods import remove as pod_remove
from cri_shim.pods import run as pod_run
from tests.fixtures.images import Image, Tar, busybox_image, busybox_layer
from tests.fixtures.library import Place

NAME = "r.example/app:1"


async def loaded(runtime: Runtime, here: Place, image: Image, name: str) -> str:
    file = here.directory / "image.tar"
    image.write_docker_archive(file, [name])
    (only,) = await runtime.load_image(f"docker-archive:{file}")
    file.unlink()
    return only.id


async def container_of(runtime: Runtime, image: str, volume: str = "") -> tuple[str, str]:
    """A pod and a container that was created in it and not started."""
    metadata = api.PodSandboxMetadata(name="a", namespace="tests", uid="a")
    pod = api.PodSandboxConfig(metadata=metadata)
    pod_id = await pod_run.run(runtime.engine, api.RunPodSandboxRequest(config=pod))
    config = api.ContainerConfig(
        metadata=api.ContainerMetadata(name="main"), image=api.ImageSpec(image=image)
    )
    if volume:
        spec = api.ImageSpec(image=volume)
        config.mounts.add(container_path="/volume", readonly=True, image=spec)
    request = api.CreateContainerRequest(pod_sandbox_id=pod_id, config=config, sandbox_config=pod)
    return pod_id, await create.create(runtime.engine, request)


async def test_an_image_object_reads_the_current_state(here: Place) -> None:
    image = busybox_image()
    async with here.runtime() as runtime:
        await loaded(runtime, here, image, NAME)

        found = runtime.image(image.id[:12])

        assert runtime.images() == [found] == [runtime.image(NAME)]
        assert (found.tags, found.digests, found.layers) == ([NAME], [], image.true_diff_ids)
        assert found.size > 0
        assert (datetime.now(UTC) - found.stored_at).total_seconds() < 600
        assert await found.tag("other") == "docker.io/library/other:latest"
        assert found.tags == [NAME, "docker.io/library/other:latest"]
        await found.remove()
        await found.remove()
        assert runtime.images() == []
        with pytest.raises(NotFound, match="no longer on this node"):
            _ = found.tags
        with pytest.raises(NotFound, match="is not on this node"):
            runtime.image(NAME)


async def test_history_has_the_layer_of_each_step(here: Place) -> None:
    image = Image(
        [Tar().file("a", b"a" * 10_000), Tar().file("b")],
        history=[
            {"created": "2024-05-06T07:08:09.123456789Z", "created_by": "ADD a"},
            {"created_by": "ENV x=y", "empty_layer": True, "comment": "nothing"},
            {"created_by": "ADD b"},
        ],
    )
    async with here.runtime() as runtime:
        await loaded(runtime, here, image, NAME)

        newest, env, oldest = runtime.image(NAME).history()

    assert (newest.created_by, newest.id, newest.tags) == ("ADD b", image.id, (NAME,))
    assert (env.created_by, env.comment, env.empty_layer, env.size) == (
        "ENV x=y", "nothing", True, 0,
    )  # fmt: skip
    assert (oldest.created_by, oldest.diff_id) == ("ADD a", image.true_diff_ids[0])
    assert oldest.size >= 10_000
    assert oldest.created == datetime(2024, 5, 6, 7, 8, 9, 123456, UTC)
    assert (env.created, oldest.id, oldest.tags) == (None, "", ())


async def test_layers_without_a_history_are_steps_too(here: Place) -> None:
    image = Image([Tar().file("a"), Tar().file("b")])
    async with here.runtime() as runtime:
        await loaded(runtime, here, image, NAME)

        steps = runtime.image(NAME).history()

    assert [step.diff_id for step in steps] == image.true_diff_ids[::-1]
    assert steps[0].id == image.id


async def test_inspect_has_podmans_fields_as_json(here: Place) -> None:
    image = busybox_image(config={"Cmd": ["/bin/sh"], "User": "1000", "Labels": {"a": "b"}})
    async with here.runtime() as runtime:
        await loaded(runtime, here, image, NAME)

        told = json.loads(json.dumps(runtime.image(NAME).inspect()))

    assert told["Id"] == image.id
    assert told["RepoTags"] == [NAME]
    assert told["RepoDigests"] == []
    assert told["Os"] == "linux"
    assert told["Architecture"] == json.loads(image.config_bytes)["architecture"]
    assert told["Config"] == {"Cmd": ["/bin/sh"], "User": "1000", "Labels": {"a": "b"}}
    assert (told["User"], told["Labels"]) == ("1000", {"a": "b"})
    assert told["RootFS"] == {"Type": "layers", "Layers": image.true_diff_ids}
    assert told["Size"] > 0
    assert told["VirtualSize"] > Path("/bin/busybox").stat().st_size
    assert Path(told["GraphDriver"]["Data"]["LowerDir"]).is_relative_to(here.root)
    assert told["ManifestType"].endswith("+json")


async def test_layers_have_parents_and_images(here: Place) -> None:
    base, volume = busybox_image(), Image([Tar().file("in-volume")])
    app = Image([base.layers[0], Tar().file("app")], config={"Cmd": ["/bin/sh"]})
    async with here.runtime() as runtime:
        base_id = await loaded(runtime, here, base, "r.example/base:1")
        app_id = await loaded(runtime, here, app, NAME)
        volume_id = await loaded(runtime, here, volume, "r.example/volume:1")
        pod, container = await container_of(runtime, NAME, "r.example/volume:1")
        await runtime.image(NAME).mount()

        bottom, top, other = runtime.layers()

        first, second = app.true_diff_ids
        assert (bottom.id, bottom.parent, bottom.diff_id) == (first, "", first)
        assert (top.id, top.parent, top.diff_id) == (chain_id(first, second), first, second)
        assert bottom.images == (base_id, app_id)
        assert (top.images, top.containers, top.mounts) == ((app_id,), (container,), (app_id,))
        assert (other.images, other.containers) == ((volume_id,), (container,))
        assert bottom.size > Path("/bin/busybox").stat().st_size
        assert top.created is not None
        assert 0 <= top.age < 600
        await runtime.image(NAME).unmount()
        await runtime.image(NAME).remove()
        assert [layer.images for layer in runtime.layers() if layer.id == top.id] == [()]
        await pod_remove.remove(runtime.engine, pod)
        assert {layer.diff_id for layer in runtime.layers()} == {first, *volume.true_diff_ids}


async def test_prune_removes_unused_images(here: Place) -> None:
    async with here.runtime() as runtime:
        names = ("used", "volume", "mounted", "named", "unnamed", "pinned")
        ids = {}
        for name in names:
            image = Image([busybox_layer(), Tar().file(name)], config={"Cmd": ["/bin/sh"]})
            ids[name] = await loaded(runtime, here, image, f"r.example/{name}:1")
        pod, container = await container_of(runtime, ids["used"], ids["volume"])
        await runtime.image(ids["mounted"]).mount()
        pinned = query.find(runtime.engine, ids["pinned"])
        pinned.pinned = True
        await runtime.engine.images.catalog.add(pinned)
        for name in ("used", "volume", "mounted", "unnamed", "pinned"):
            await runtime.image(ids[name]).untag()

        assert await runtime.prune_images() == [ids["unnamed"]]
        assert await runtime.prune_images(all=True) == [ids["named"]]

        left = {image.id for image in runtime.images()}
        assert left == {ids[name] for name in ("used", "volume", "mounted", "pinned")}
        await runtime.image(ids["mounted"]).unmount()
        await container_remove.remove(runtime.engine, container)
        gone = set(await runtime.prune_images())
        assert gone == {ids[name] for name in ("used", "volume", "mounted")}
        await pod_remove.remove(runtime.engine, pod)


async def test_the_diff_of_an_image_has_its_changes(here: Place) -> None:
    base = Image([Tar().directory("etc").file("etc/a", b"1").file("etc/b", b"2")])
    app = Image(
        [base.layers[0], Tar().whiteout("etc/a").file("etc/b", b"3").file("new")],
    )
    async with here.runtime() as runtime:
        await loaded(runtime, here, base, "r.example/base:1")
        await loaded(runtime, here, app, NAME)
        one, two = runtime.image("r.example/base:1"), runtime.image(NAME)

        forward = [str(change) for change in await two.diff()]
        back = [str(change) for change in await one.diff(two)]
        whole = [str(change) for change in await one.diff()]
        same = await two.diff(two)

    assert forward == ["C /etc", "D /etc/a", "C /etc/b", "A /new"]
    assert back == ["C /etc", "A /etc/a", "C /etc/b", "D /new"]
    assert whole == ["A /etc", "A /etc/a", "A /etc/b"]
    assert same == []


async def test_a_forced_end_unmounts_images(here: Place) -> None:
    async with here.runtime() as runtime:
        await loaded(runtime, here, busybox_image(), NAME)
        tree = await runtime.image(NAME).mount()

        await runtime.shutdown(force=True)

    assert not mounts.is_mounted(tree)


DYING = """
import asyncio, sys
from pathlib import Path
from cri_shim import Runtime, options
from cri_shim.linux import mounts
top, verb = Path(sys.argv[1]), sys.argv[2]
where = options.with_storage(top / "root", top / "run")
async def main():
    async with Runtime.from_config(top / "config.toml", where) as runtime:
        if verb == "show":
            mounted = [path.name for path in mounts.mounts_below(top / "run/images")]
            return print(*(tag for image in runtime.images() for tag in image.tags), *mounted)
        (image,) = await runtime.load_image(f"docker-archive:{top}/image.tar")
        match verb:
            case "tag":
                await image.tag("r.example/b:1")
            case "untag":
                await image.untag()
            case "prune":
                await runtime.prune_images(all=True)
            case "mount":
                await image.mount()
            case "unmount":
                await image.mount()
                await image.unmount()
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("point", "left"),
    [
        ("images.tag.catalogue", NAME),
        ("images.untag.catalogue", NAME),
        ("images.prune.catalogue", NAME),
        ("images.mount.overlay", NAME),
        ("images.unmount.overlay", f"{NAME} tree"),
    ],
)
async def test_a_step_is_not_done_if_the_process_dies_at_it(
    here: Place, point: str, left: str
) -> None:
    plan = here.directory / "plan"
    plan.write_text(f"{point} kill\n")
    image = Image([Tar().file("dying")])
    image.write_docker_archive(here.directory / "image.tar", [NAME])
    (here.directory / "config.toml").touch()
    program = [sys.executable, "-c", DYING, str(here.directory)]
    died = await run(
        [*program, point.split(".")[1]], env={**os.environ, "CRI_SHIM_FAULTS": str(plan)}
    )

    after = await run([*program, "show"])

    assert died.returncode == -9, died.complaint()
    assert after.returncode == 0, after.complaint()
    assert after.stdout.decode() == left + "\n"
