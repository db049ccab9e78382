"""The diff and commit of a container: the new image runs, also after a save and load."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cri_shim import Runtime
from cri_shim.aio.child import run
from cri_shim.containers import create as container_create
from cri_shim.containers import diff as container_diff
from cri_shim.containers import remove as container_remove
from cri_shim.containers import start as container_start
from cri_shim.containers import stop as container_stop
from cri_shim.engine import Engine
from cri_shim.errors import InvalidArgument, NotFound, ToolFailed
from cri_shim.linux import process
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import remove as pod_remove
from cri_shim.pods import run as pod_run
from tests.fixtures import busybox
from tests.fixtures.images import Image, Tar, busybox_layer
from tests.fixtures.library import Place

NAME = "r.example/committed:1"
WRITE = """
echo changed > /etc/passwd; rm /etc/group; mkdir -p /srv/deep; echo new > /srv/deep/file
ln /srv/deep/file /srv/linked; chown 1000:50 /srv/linked; chmod 4711 /srv/linked
rm -r /bin/.. 2>/dev/null; echo done > /srv/done
"""
STAY = f"{WRITE} trap 'exit 0' TERM; while :; do sleep 1; done"
PATIENCE_S, POLL_S = 60, 0.01
MAPPING = api.IDMapping(host_id=100_000, container_id=0, length=65_536)


class Pod:
    """A pod whose containers have logs; the containers it makes are numbered."""

    def __init__(self, engine: Engine, directory: Path, userns: bool) -> None:
        self._engine = engine
        self.config = api.PodSandboxConfig(
            metadata=api.PodSandboxMetadata(name="a", namespace="tests", uid="a"),
            log_directory=str(directory),
        )
        options = self.config.linux.security_context.namespace_options
        options.pid = api.CONTAINER
        if userns:
            options.userns_options.mode = api.POD
            options.userns_options.uids.append(MAPPING)
            options.userns_options.gids.append(MAPPING)
        self.id = ""
        self._number = 0

    async def run(self) -> None:
        self.id = await pod_run.run(self._engine, api.RunPodSandboxRequest(config=self.config))

    async def start(self, image: str, script: str = "", **fields: object) -> str:
        """A container that was started; without a script, with the image's own command."""
        self._number += 1
        config = api.ContainerConfig(
            metadata=api.ContainerMetadata(name="main", attempt=self._number),
            image=api.ImageSpec(image=image),
            command=["sh", "-c", script] if script else [],
            log_path=f"{self._number}.log",
            **fields,  # type: ignore[arg-type]
        )
        config.linux.security_context.namespace_options.pid = api.CONTAINER
        request = api.CreateContainerRequest(
            pod_sandbox_id=self.id, config=config, sandbox_config=self.config
        )
        id = await container_create.create(self._engine, request)
        await container_start.start(self._engine, id)
        return id

    async def wrote(self, id: str) -> None:
        """Return when the script of a running container has come to its end."""
        done = self._engine.images.rootfs.upper(id) / "srv/done"
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if done.exists():
                    return
                await asyncio.sleep(POLL_S)

    async def output(self, image: str, script: str = "") -> list[str]:
        """Return the output of a container until it ends."""
        id = await self.start(image, script)
        objects = self._engine.objects
        await objects.until(id, lambda: objects.container(id).finished_at != 0)
        log = Path(self.config.log_directory, f"{self._number}.log").read_text()
        return [line.split(" ", 3)[3] for line in log.splitlines()]


@pytest.fixture
async def runtime(here: Place) -> AsyncIterator[Runtime]:
    here.directory.chmod(0o711)  # for root of a user namespace
    async with here.runtime() as opened:
        await opened.load_image(f"docker-archive:{busybox.archive(here.directory / 'busybox.tar')}")
        yield opened
        for pod in opened.engine.objects.pods():
            await pod_remove.remove(opened.engine, pod.id)


@pytest.fixture(params=["", "userns"])
async def pod(runtime: Runtime, here: Place, request: pytest.FixtureRequest) -> Pod:
    made = Pod(runtime.engine, here.directory, userns=bool(request.param))
    await made.run()
    return made


CHECK = """
cat /etc/passwd /srv/linked; test -e /etc/group || echo no group; ls /srv
stat -c '%u:%g %a %h' /srv/linked; test /srv/linked -ef /srv/deep/file && echo the same file
"""
FOUND = [
    "changed", "new", "no group", "deep", "done", "linked", "1000:50 4711 2", "the same file",
]  # fmt: skip


async def test_files_of_a_running_container_become_a_runnable_image(
    runtime: Runtime, pod: Pod
) -> None:
    container = await pod.start(busybox.NAME, STAY)
    await pod.wrote(container)

    image = await runtime.container(container).commit(NAME)

    assert image.tags == [NAME]
    assert await pod.output(NAME, CHECK) == FOUND
    base = runtime.image(busybox.NAME)
    assert image.layers[:-1] == base.layers
    assert [str(change) for change in await image.diff()] == [
        str(change) for change in await container_diff.diff(runtime.engine, container)
    ]
    record = runtime.engine.objects.container(container)
    assert record.phase == state.CONTAINER_RUNNING
    await container_stop.stop(runtime.engine, container, 30)  # it runs: it handles a signal
    assert runtime.engine.objects.container(container).exit_code == 0


async def test_a_diff_has_written_files_but_no_mount_points(runtime: Runtime, pod: Pod) -> None:
    container = await pod.start(busybox.NAME, STAY)
    await pod.wrote(container)

    changes = await container_diff.diff(runtime.engine, container)

    assert [str(change) for change in changes] == [
        "C /etc", "D /etc/group", "C /etc/passwd", "A /srv", "A /srv/deep", "A /srv/deep/file",
        "A /srv/done", "A /srv/linked",
    ]  # fmt: skip
    with pytest.raises(NotFound):
        await container_diff.diff(runtime.engine, "nobody")


async def test_a_diff_has_no_mount_points_behind_symbolic_links(
    runtime: Runtime, here: Place
) -> None:
    linked = Tar().directory("run").directory("var").symlink("var/run", "../run")
    image = Image([busybox_layer(), linked]).write_docker_archive(here.directory / "i.tar", [NAME])
    await runtime.load_image(f"docker-archive:{image}")
    (here.directory / "token").write_text("secret")
    pod = Pod(runtime.engine, here.directory, userns=False)
    await pod.run()
    source = api.Mount(host_path=str(here.directory / "token"), container_path="/var/run/token")

    container = await pod.start(NAME, "sleep 600", mounts=[source])

    assert await container_diff.diff(runtime.engine, container) == []
    committed = await runtime.container(container).commit()
    times_only = [str(change) for change in await committed.diff()]
    assert times_only == ["C /etc", "C /run"]


async def test_an_ended_container_is_committed_saved_loaded_and_runs(
    runtime: Runtime, here: Place
) -> None:
    pod = Pod(runtime.engine, here.directory, userns=False)
    await pod.run()
    await pod.output(busybox.NAME, WRITE)
    (container,) = runtime.engine.objects.containers_of(pod.id)

    image = await runtime.container(container.id).commit(NAME, changes=['CMD ["cat", "/srv/done"]'])

    target = f"docker-archive:{here.directory}/saved.tar"
    assert await image.save(target) == image.id
    await image.remove()
    (loaded,) = await runtime.load_image(target)
    assert loaded == image
    assert await pod.output(NAME) == ["done"]


async def test_the_config_has_author_changes_and_comment(runtime: Runtime, here: Place) -> None:
    pod = Pod(runtime.engine, here.directory, userns=False)
    await pod.run()
    container = await pod.start(busybox.NAME, "sleep 600")

    image = await runtime.container(container).commit(
        author="somebody",
        message="a note",
        changes={"Cmd": ["echo", "hello"], "Env": {"more": "yes"}, "Labels": {"a": "b"}},
    )

    told = image.inspect()
    assert (told["Author"], told["Comment"], told["RepoTags"]) == ("somebody", "a note", [])
    assert told["Config"] == {
        "Cmd": ["echo", "hello"], "Env": ["PATH=/bin", "more=yes"], "Labels": {"a": "b"},
    }  # fmt: skip
    newest, _ = image.history()
    assert newest.created_by == "sh -c 'sleep 600'"
    assert json.dumps(told)
    assert await pod.output(image.id) == ["hello"]


async def test_the_container_is_paused_during_the_commit_unless_disabled(
    runtime: Runtime, here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = runtime.engine
    pod = Pod(engine, here.directory, userns=False)
    await pod.run()
    container = await pod.start(busybox.NAME, "sleep 600")
    handler = engine.oci.handler("")
    pack, seen = engine.images.layers.pack, []

    async def watched(*arguments: object) -> tuple[str, int]:
        seen.append((await engine.oci.runtime.state(handler, container) or {})["status"])
        return await pack(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.images.layers, "pack", watched)

    await runtime.container(container).commit()
    seen.append((await engine.oci.runtime.state(handler, container) or {})["status"])
    await runtime.container(container).commit(pause=False)
    await engine.oci.runtime.pause(handler, container)
    await runtime.container(container).commit()
    seen.append((await engine.oci.runtime.state(handler, container) or {})["status"])
    await engine.oci.runtime.resume(handler, container)

    assert seen == ["paused", "running", "running", "paused", "paused"]


async def test_a_commit_that_fails_leaves_nothing_and_the_container_runs_on(
    runtime: Runtime, here: Place
) -> None:
    engine = runtime.engine
    pod = Pod(engine, here.directory, userns=False)
    await pod.run()
    container = await pod.start(
        busybox.NAME, "echo x > /.wh.bad; mkdir /srv; echo > /srv/done; sleep 600"
    )
    await pod.wrote(container)
    before = engine.images.layers.present()

    with pytest.raises(ToolFailed, match="would become a whiteout"):
        await runtime.container(container).commit(NAME)
    for name, changes in (("Bad Name", []), (NAME, ["RUN x"]), (NAME, {"Cmd": "x"})):
        with pytest.raises(InvalidArgument):
            await runtime.container(container).commit(name, changes=changes)
    with pytest.raises(NotFound):
        await runtime.container("nobody").commit()

    assert len(runtime.images()) == 1
    assert engine.images.layers.present() == before
    assert list(engine.images.layouts.iterdir()) == []
    assert (await engine.oci.runtime.state(engine.oci.handler(""), container) or {})[
        "status"
    ] == "running"


async def test_without_its_image_a_container_cannot_be_committed(
    runtime: Runtime, here: Place
) -> None:
    pod = Pod(runtime.engine, here.directory, userns=False)
    await pod.run()
    container = await pod.start(busybox.NAME, "sleep 600")
    await runtime.image(busybox.NAME).remove()

    with pytest.raises(NotFound, match="pull it again, then commit"):
        await runtime.container(container).commit()


async def test_a_commit_takes_the_name_of_another_image(runtime: Runtime, here: Place) -> None:
    pod = Pod(runtime.engine, here.directory, userns=False)
    await pod.run()
    container = await pod.start(busybox.NAME, "sleep 600")
    base = runtime.image(busybox.NAME)

    image = await runtime.container(container).commit(busybox.NAME)

    assert (base.tags, image.tags) == ([], [busybox.NAME])
    await container_remove.remove(runtime.engine, container)
    assert list(await runtime.prune_images()) == [base.id]
    assert await pod.output(busybox.NAME, "echo still") == ["still"]


DYING = """
import asyncio, sys
from pathlib import Path
from cri_shim import Runtime
from tests.fixtures.images import Image, Tar, busybox_layer
from tests.fixtures.library import Place
async def main():
    async with Place(Path(sys.argv[1])).runtime() as runtime:
        if sys.argv[3] == "save":
            await runtime.image(runtime.images()[0].id).save(f"oci:{sys.argv[1]}/saved")
        else:
            await runtime.container(sys.argv[2]).commit("r.example/committed:1")
asyncio.run(main())
"""
POINTS = [
    "images.commit.pack", "images.commit.compose", "images.save.layers", "images.save.export",
    "containers.commit.pause", "containers.commit.paused",
]  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
async def test_a_process_that_dies_at_a_step_leaves_nothing_and_no_container_paused(
    here: Place, point: str
) -> None:
    async with here.runtime() as before:
        await before.load_image(f"docker-archive:{busybox.archive(here.directory / 'b.tar')}")
        pod = Pod(before.engine, here.directory, userns=False)
        await pod.run()
        container = await pod.start(busybox.NAME, "sleep 600")
    plan = here.directory / "plan"
    plan.write_text(f"{point} kill\n")

    died = await run(
        [sys.executable, "-c", DYING, str(here.directory), container, point.split(".")[1]],
        env={**os.environ, "CRI_SHIM_FAULTS": str(plan), "PYTHONPATH": str(Path.cwd())},
    )

    assert died.returncode == -9, died.complaint()
    async with here.runtime() as after:
        engine = after.engine
        assert [image.tags for image in after.images()] == [[busybox.NAME]]
        limit = time.monotonic() + 10  # what the last one left is seen to in the background
        while left := engine.retries():
            assert time.monotonic() < limit, left
            await asyncio.sleep(0.01)
        assert (await engine.oci.runtime.state(engine.oci.handler(""), container) or {})[
            "status"
        ] == "running"
        record = engine.objects.container(container)
        assert process.alive(record.init.pid, record.init.start_time)
        assert (await after.container(container).commit(NAME)).tags == [NAME]
        assert list(engine.images.layouts.iterdir()) == []
        assert not (here.directory / "saved").exists()
        await pod_remove.remove(engine, pod.id)
