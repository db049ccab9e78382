"""The commands for containers and pods that crictl does not have: each against a real container."""

import asyncio
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from cri_shim.aio import child
from cri_shim.pb import api_pb2 as api
from tests.fixtures import busybox
from tests.fixtures.commands import LIMIT_S, command, cri_shim, shown, shown_json
from tests.fixtures.cri import Cri, container_config
from tests.integration.sessions.test_sessions_forward import echo, serving


@pytest.fixture
async def container(cri: Cri) -> str:
    return await cri.run(await cri.run_pod(), ["sleep", "1000"])


async def state(cri: Cri, id: str) -> int:
    return int((await cri.status(id)).state)


async def test_kill_sends_a_signal_and_wait_prints_the_exit_code(cri: Cri, container: str) -> None:
    assert await shown(cri, "kill", container[:13]) == f"{container[:13]}\n"
    assert await shown(cri, "wait", container) == "137\n"
    again = await cri_shim(cri, "kill", container)
    assert again.returncode == 1
    assert again.stderr.endswith(b" is not running: there is nothing to signal\n")
    unknown = await cri_shim(cri, "kill", "-s", "NOSUCH", container)
    assert unknown.returncode == 1
    assert b"NOSUCH" in unknown.stderr


async def test_pause_and_unpause_freeze_and_thaw(cri: Cri, container: str) -> None:
    await shown(cri, "pause", container)
    refused = await cri_shim(cri, "exec", container, "true")
    assert (refused.returncode, b"is paused: unpause it first" in refused.stderr) == (125, True)
    await shown(cri, "wait", "--condition", "paused", container)
    await shown(cri, "unpause", container)
    assert await shown(cri, "exec", container, "echo", "hi") == "hi\n"


async def test_start_starts_a_created_container_and_those_of_a_pod(cri: Cri) -> None:
    pod = await cri.run_pod()
    first = await cri.create(pod, container_config(["sleep", "1000"], "first"))
    second = await cri.create(pod, container_config(["sleep", "1000"], "second"))
    await shown(cri, "start", first)
    assert await state(cri, first) == api.CONTAINER_RUNNING
    await shown(cri, "start", pod)
    assert await state(cri, second) == api.CONTAINER_RUNNING


async def test_top_shows_the_processes(cri: Cri, container: str) -> None:
    lines = (await shown(cri, "top", container)).splitlines()
    assert lines[0].split()[:2] == ["USER", "PID"]
    assert lines[1].endswith("sleep 1000")
    (process,) = (await shown_json(cri, "top", container, "-o", "json"))["processes"]
    assert (process["pid"], process["command"]) == (1, ["sleep", "1000"])


async def test_stats_show_the_use_of_each_container(cri: Cri, container: str) -> None:
    table = await shown(cri, "stats")
    assert container[:13] in table
    assert "CPU %" in table
    (one,) = (await shown_json(cri, "stats", container, "-o", "json"))["stats"]
    assert one["attributes"]["id"] == container


async def test_diff_shows_what_the_container_wrote(cri: Cri, container: str) -> None:
    assert await shown(cri, "diff", container) == ""
    await cri.sh(container, "echo x > /new; rm /bin/true")
    assert (await shown(cri, "diff", container)).splitlines() == ["C /bin", "D /bin/true", "A /new"]


async def test_commit_makes_an_image_that_can_run(cri: Cri, container: str) -> None:
    await cri.sh(container, "echo words > /new")
    change = 'CMD ["cat", "/new"]'
    id = await shown(cri, "commit", "-c", change, container, "localhost/committed:1")
    assert await shown(cri, "run", "localhost/committed:1") == "words\n"
    inspected = await shown_json(cri, "image", "inspect", id.strip())
    assert inspected["Config"]["Cmd"] == ["cat", "/new"]
    await shown(cri, "image", "rm", "localhost/committed:1")


async def test_export_writes_the_root_file_system(cri: Cri, container: str, tmp_path: Path) -> None:
    await cri.sh(container, "echo words > /new")
    await shown(cri, "export", "-o", str(tmp_path / "a.tar"), container)
    piped = await child.run(command(cri, "export", container), timeout=LIMIT_S, limit=1 << 26)
    assert piped.returncode == 0
    for source in ((tmp_path / "a.tar").read_bytes(), piped.stdout):
        with tarfile.open(fileobj=io.BytesIO(source)) as archive:
            file = archive.extractfile("new")
            assert file is not None
            assert file.read() == b"words\n"
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar"]


async def test_attach_shows_output_and_passes_input_on(cri: Cri) -> None:
    config = container_config(["sh", "-c", "while read x; do echo got $x; done"], stdin=True)
    id = await cri.create(await cri.run_pod(), config)
    await cri.start(id)
    theirs, ours = os.pipe()
    output, written = os.pipe()
    attached = child.spawn(command(cri, "attach", id), stdin=theirs, stdout=written)
    os.close(theirs)
    os.close(written)
    try:
        os.write(ours, b"one\n")
        assert await asyncio.to_thread(os.read, output, 100) == b"got one\n"
        await cri.stop(id)
        async with asyncio.timeout(LIMIT_S):
            assert await attached.wait() == 0
    finally:
        await attached.end()
        os.close(ours)
        os.close(output)


async def test_prune_removes_ended_pods(cri: Cri) -> None:
    pod, stays = await cri.run_pod(), await cri.run_pod()
    await cri.run(pod, ["true"])
    await cri.stop_pod(pod)
    assert f"pod {pod}" in (await shown(cri, "prune")).splitlines()
    assert await cri.pods() == [stays]


async def test_update_changes_a_limit(cri: Cri, container: str) -> None:
    await shown(cri, "update", "-m", "64m", "--cpus", "0.5", container)
    limits = (await cri.status(container)).resources.linux
    assert limits.memory_limit_in_bytes == 64 << 20
    assert limits.cpu_quota == 50_000
    nothing = await cri_shim(cri, "update", container)
    assert (nothing.returncode, b"no limit is given" in nothing.stderr) == (2, True)


async def test_port_forward_reaches_a_program_in_the_pod_until_it_stops(cri: Cri) -> None:
    pod = await cri.run_pod()
    output, written = os.pipe()
    async with serving(cri, pod, echo) as remote:
        words = ["port-forward", pod, f":{remote}"]
        forwarding = child.spawn(command(cri, *words), stdout=written)
        os.close(written)
        try:
            said = (await asyncio.to_thread(os.read, output, 200)).decode()
            port = int(said.splitlines()[0].split(" -> ")[0].rsplit(":", 1)[1])
            async with asyncio.timeout(LIMIT_S):
                for data in (b"hello", bytes(200_000)):
                    reader, writer = await asyncio.open_connection("localhost", port)
                    writer.write(data)
                    assert await reader.readexactly(len(data)) == data
                    writer.close()
                await cri.stop_pod(pod)
                assert await forwarding.wait() == 1
        finally:
            await forwarding.end()
            os.close(output)


async def test_a_port_without_a_program_is_told_and_the_connection_ends(cri: Cri) -> None:
    pod = await cri.run_pod()
    output, written = os.pipe()
    forwarding = child.spawn(
        command(cri, "port-forward", pod, ":9"), stdout=written, stderr=written
    )
    os.close(written)
    try:
        said = (await asyncio.to_thread(os.read, output, 200)).decode()
        port = int(said.splitlines()[0].split(" -> ")[0].rsplit(":", 1)[1])
        async with asyncio.timeout(LIMIT_S):
            reader, writer = await asyncio.open_connection("localhost", port)
            assert await reader.read() == b""
            writer.close()
            problem = b""
            while b"Connection refused" not in problem:
                problem += await asyncio.to_thread(os.read, output, 500)
    finally:
        await forwarding.end()
        os.close(output)


async def test_events_tell_what_happens_and_what_happened(cri: Cri, container: str) -> None:
    past = await shown(cri, "events", "--since", "1h", "--no-follow", "-o", "json")
    seen = [json.loads(line) for line in past.splitlines()]
    assert [one["type"] for one in seen if one["id"] == container] == ["created", "started"]
    assert {one["namespace"] for one in seen} == {"test"}
    wrong = await cri_shim(cri, "events", "--filter", "color=red")
    assert (wrong.returncode, b"there is no filter color" in wrong.stderr) == (2, True)


async def test_events_go_on_until_they_are_interrupted(cri: Cri) -> None:
    output, written = os.pipe()
    following = child.spawn(command(cri, "events", "-o", "json"), stdout=written)
    os.close(written)
    try:
        with os.fdopen(output, "rb") as lines:
            reading = asyncio.create_task(asyncio.to_thread(lines.readline))
            async with asyncio.timeout(LIMIT_S):
                while not reading.done():  # the command follows after a moment
                    await cri.remove_pod(await cri.run_pod())
            first = json.loads(await reading)
            following.kill(15)
            assert await following.wait() == 143
        assert (first["kind"], first["namespace"]) == ("pod", "test")
    finally:
        await following.end()


async def test_df_shows_images_and_containers_and_what_pruning_would_free(
    cri: Cri, container: str
) -> None:
    text = await shown(cri, "df")
    assert busybox.NAME in text
    assert "image prune --all: would free" in text
    found = await shown_json(cri, "df", "-o", "json")
    (one,) = found["containers"]
    assert one["id"] == container
    assert one["name"].startswith("test/pod")
    assert int(found["layers"]) > 0
    assert found["keepBlobs"]
    assert "compressed (image.keep_blobs)" in text


@pytest.mark.parametrize(
    "words",
    [
        ["kill"], ["pause"], ["unpause"], ["wait"], ["top"], ["diff"], ["attach"], ["export"],
        ["start"], ["commit"], ["stats"], ["update", "-m", "9m"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
async def test_an_object_that_is_not_there_is_a_sentence(cri: Cri, words: list[str]) -> None:
    done = await cri_shim(cri, *words, "nosuch")
    assert done.returncode == 4, done
    assert done.stderr.startswith(b"cri-shim: ")
    assert b"nosuch" in done.stderr
    assert done.stderr.count(b"\n") == 1
