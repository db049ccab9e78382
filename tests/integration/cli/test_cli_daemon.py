"""The command line against a real daemon."""

import asyncio
import json
import re
import signal
import socket
import sys
from pathlib import Path

from cri_shim.aio import child
from cri_shim.pb import api_pb2 as api
from tests.fixtures import busybox
from tests.fixtures.commands import LIMIT_S, command, cri_shim
from tests.fixtures.cri import Cri


async def pods(cri: Cri) -> list[api.PodSandbox]:
    answer = await cri.runtime.ListPodSandbox(api.ListPodSandboxRequest())
    return list(answer.items)


async def test_run_gives_the_containers_output_and_exit_code_and_leaves_no_pod(cri: Cri) -> None:
    done = await cri_shim(
        cri, "run", "--env", "WHO=me", busybox.NAME,
        "sh", "-c", "echo out $WHO; echo err >&2; exit 7",
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out me\n", b"err\n")
    assert await pods(cri) == []


async def test_run_can_use_the_nodes_network(cri: Cri) -> None:
    done = await cri_shim(cri, "run", "--host-network", busybox.NAME, "hostname")
    assert (done.returncode, done.stdout.decode().strip()) == (0, socket.gethostname())


async def test_run_chooses_the_runtime_handler(cri: Cri, handler: str) -> None:
    done = await cri_shim(cri, "run", "--runtime", handler, busybox.NAME, "true")
    assert (done.returncode, done.stderr) == (0, b"")


async def test_a_failed_run_is_a_sentence_and_leaves_no_pod(cri: Cri) -> None:
    done = await cri_shim(cri, "run", "--runtime", "none", busybox.NAME, "true")
    assert done.returncode == 125
    assert done.stderr.startswith(b"cri-shim: ")
    assert done.stderr.count(b"\n") == 1
    assert await pods(cri) == []


async def test_ctrl_c_ends_the_container_and_removes_the_pod(cri: Cri) -> None:
    running = child.spawn(command(cri, "run", busybox.NAME, "sleep", "600"))
    try:
        async with asyncio.timeout(LIMIT_S):
            while not await running_containers(cri):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            running.kill(signal.SIGINT)
            assert await running.wait() == 128 + signal.SIGINT
    finally:
        await running.end()
    assert await pods(cri) == []


async def running_containers(cri: Cri) -> list[api.Container]:
    wanted = api.ContainerFilter(state=api.ContainerStateValue(state=api.CONTAINER_RUNNING))
    request = api.ListContainersRequest(filter=wanted)
    return list((await cri.runtime.ListContainers(request)).containers)


async def test_images_are_loaded_listed_and_removed(cri: Cri, tmp_path: Path) -> None:
    other: dict[str, object] = {"Labels": {"a": "b"}}
    archive = busybox.archive(tmp_path / "x.tar", other, name="localhost/other:1")
    loaded = await cri_shim(cri, "image", "load", str(archive))
    assert loaded.returncode == 0, loaded.complaint()
    assert b"localhost/other:1" in loaded.stdout
    listed = await cri_shim(cri, "image", "list")
    assert re.search(
        rb"^[0-9a-f]{13}  .*B +nothing +localhost/other:1$", listed.stdout, re.MULTILINE
    )
    assert (await cri_shim(cri, "image", "rm", "localhost/other:1")).returncode == 0
    again = await cri_shim(cri, "image", "rm", "localhost/other:1")
    assert again.returncode == 4
    assert again.stderr == b"cri-shim: there is no image localhost/other:1\n"


async def test_an_image_gets_another_tag(cri: Cri, tmp_path: Path) -> None:
    other: dict[str, object] = {"Labels": {"a": "c"}}
    archive = busybox.archive(tmp_path / "x.tar", other, name="localhost/named:1")
    assert (await cri_shim(cri, "image", "load", str(archive))).returncode == 0

    named = await cri_shim(cri, "image", "tag", "localhost/named:1", "localhost/again")

    assert named.stdout == b"localhost/again:latest\n", named.complaint()
    listed = await cri_shim(cri, "image", "list")
    assert b"localhost/named:1, localhost/again:latest\n" in listed.stdout
    assert (await cri_shim(cri, "image", "rm", "localhost/again")).returncode == 0


async def test_only_an_image_of_the_node_is_named_and_only_by_a_tag(cri: Cri) -> None:
    absent = await cri_shim(cri, "image", "tag", "localhost/absent", "localhost/new")
    assert absent.stderr == (
        b"cri-shim: image localhost/absent is not on this node; pull it first\n"
    )
    digest = f"localhost/new@sha256:{'0' * 64}"
    refused = await cri_shim(cri, "image", "tag", "localhost/absent", digest)
    assert b"has a digest" in refused.stderr


async def test_info_and_version_describe_the_daemon(cri: Cri) -> None:
    facts = json.loads((await cri_shim(cri, "info", "--json")).stdout)
    assert str(cri.daemon.root) in json.dumps(facts)
    plain = await cri_shim(cri, "info")
    assert str(cri.daemon.root).encode() in plain.stdout
    version = await cri_shim(cri, "version")
    assert f"(CRI v1) at {cri.daemon.socket}".encode() in version.stdout


async def test_a_second_daemon_on_the_same_directories_is_refused_with_a_sentence(
    cri: Cri,
) -> None:
    flags = ["--root", str(cri.daemon.root), "--run-root", str(cri.daemon.run_root)]
    second = [sys.executable, "-m", "cri_shim", *flags, "serve"]
    done = await child.run(second, timeout=LIMIT_S)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(b"cri-shim: ")
    assert b"Traceback" not in done.stderr
