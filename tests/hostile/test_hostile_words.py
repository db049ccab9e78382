"""Text of programs, tenants and hooks becomes one bounded, printable line in errors and logs."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import CriShimError, InvalidArgument, ToolFailed
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon

MEGABYTES = 10 << 20
FORGED = "2025-01-01T10:00:00.123 INFO pods.run forged"
EVIL = f"\x1b[31mred\x1b]0;title\x07\r\n{FORGED}\n\x85\u2028"
# One event: its time and level, or a line of its traceback.
EVENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} [A-Z]+ [a-z_.]+ .*|  .*")

# It is crun with additional output from the file beside it: `noise`, on stderr at the end.
LOUD = """#!/bin/sh
case " $* " in
    *" create "*|*" exec "*|*" update "*) [ -e {where}/noise ] && cat {where}/noise >&2 && exit 1;;
esac
exec {program} "$@"
"""
SKOPEO = """#!/bin/sh
[ -e {where}/noise ] && cat {where}/noise >&2 && exit 1
exec {program} "$@"
"""


class Noise:
    """The output of the programs of this file, if they have any."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "noise"

    def is_(self, text: str | bytes) -> None:
        self._file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def nothing(self) -> None:
        self._file.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("programs")
    for name, script, program in (("loud", LOUD, "crun"), ("skopeo", SKOPEO, "skopeo")):
        path = directory / name
        path.write_text(script.format(where=directory, program=shutil.which(program)))
        path.chmod(0o755)
    (directory / "hooks.d").mkdir()
    return directory


@pytest.fixture(scope="module")
def daemon(programs: Path) -> Iterator[Daemon]:
    settings: dict[str, Any] = {
        "runtimes.loud.path": str(programs / "loud"),
        "image.skopeo_path": str(programs / "skopeo"),
        "hooks_dir": str(programs / "hooks.d"),
    }
    with private_daemon(0, **settings) as started:
        yield started


@pytest.fixture
def noise(programs: Path) -> Iterator[Noise]:
    made = Noise(programs)
    yield made
    made.nothing()


@pytest.fixture
async def cri(daemon: Daemon) -> AsyncIterator[Cri]:
    """Calls; at the end every line that the daemon logged must be an event of its own."""
    begin = daemon.log.stat().st_size
    async with Client(daemon.socket) as client:
        calls = Cri(daemon, client)
        yield calls
        await calls.remove_all()
    with daemon.log.open("rb") as log:
        log.seek(begin)
        said = log.read().decode()
    assert len(said) < 300_000
    assert "\x1b" not in said
    for line in said.splitlines():
        assert EVENT.fullmatch(line), line
        assert not line.startswith(FORGED)


def is_one_line(error: CriShimError | str) -> str:
    text = str(error)
    assert text.isprintable()
    assert len(text) <= 8 << 10
    return text


NOISES = [EVIL.encode(), b"\xff\x00\x1b[2J\n" * 1000, b"[" * 60_000, b"", b"x" * MEGABYTES]


@pytest.mark.parametrize("said", NOISES[:4], ids=range(4))  # conmon reads no more than a pipe has
async def test_the_message_of_an_oci_runtime_is_one_bounded_line(
    cri: Cri, noise: Noise, said: bytes
) -> None:
    pod = await cri.run_pod(handler="loud")
    container = await cri.create(pod, container_config(["sleep", "60"]))
    noise.is_(said)
    with pytest.raises(ToolFailed) as refused:
        await cri.start(container)
    assert "cannot create container" in is_one_line(refused.value)
    status = await cri.exited(container)
    assert status.reason == "StartError"
    is_one_line(status.message)


async def test_the_message_of_an_oci_runtime_at_an_update_is_one_bounded_line(
    cri: Cri, noise: Noise
) -> None:
    pod = await cri.run_pod(handler="loud")
    container = await cri.run(pod, ["sleep", "60"])
    noise.is_(EVIL)
    update = api.UpdateContainerResourcesRequest(container_id=container)
    update.linux.memory_limit_in_bytes = 64 << 20
    with pytest.raises(CriShimError) as refused:
        await cri.runtime.UpdateContainerResources(update)
    assert "forged" in is_one_line(refused.value)


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_the_name_of_a_command_is_one_bounded_line(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    container = await cri.create(pod, container_config([f"/bin/{EVIL}"]))
    with pytest.raises(CriShimError) as refused:
        await cri.start(container)
    assert "forged" in is_one_line(refused.value)
    is_one_line((await cri.status(container)).message)
    running = await cri.run(pod, ["sleep", "60"], "other")
    answer: Any = None
    try:
        answer = await cri.exec(running, f"/bin/{EVIL}")
    except CriShimError as e:
        is_one_line(e)
    assert answer is None or answer.exit_code


@pytest.mark.parametrize("said", NOISES, ids=range(5))
async def test_the_message_of_skopeo_is_one_bounded_line(
    cri: Cri, noise: Noise, said: bytes
) -> None:
    noise.is_(said)
    request = api.PullImageRequest(image=api.ImageSpec(image="127.0.0.1:1/none:1"))
    with pytest.raises(CriShimError) as refused:
        await cri.image.PullImage(request)
    is_one_line(refused.value)
    source = f"docker-archive:{cri.daemon.directory}/busybox.tar"
    with pytest.raises(CriShimError) as refused:
        await cri.control.LoadImage(control.LoadImageRequest(source=source))
    is_one_line(refused.value)


ODD = [b'{"process": {"args": [5]}, "root": {}, "linux": {}}', b'{"process": ' * 2000]


@pytest.mark.parametrize("said", [*NOISES, *ODD], ids=range(7))
async def test_the_message_of_a_precreate_hook_is_one_bounded_line(
    cri: Cri, programs: Path, said: bytes, tmp_path: Path
) -> None:
    (tmp_path / "said").write_bytes(said)
    for number, ending in enumerate((">&2; exit 1", "")):
        hook = tmp_path / f"hook{number}"
        hook.write_text(f"#!/bin/sh\ncat {tmp_path}/said {ending}\n")
        hook.chmod(0o755)
        document = {
            "version": "1.0.0",
            "hook": {"path": str(hook)},
            "when": {"always": True},
            "stages": ["precreate"],
        }
        (programs / "hooks.d" / "loud.json").write_text(json.dumps(document))
        pod = await cri.run_pod()
        try:
            with pytest.raises(ToolFailed) as refused:
                await cri.create(pod, container_config(["true"]))
        finally:
            (programs / "hooks.d" / "loud.json").unlink()
        assert str(hook) in is_one_line(refused.value)


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_a_command_longer_than_a_path_is_refused_at_once(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    async with asyncio.timeout(20):  # conmon waits 60 s where runc says more than a pipe holds
        with pytest.raises(InvalidArgument, match="longer than 4095 bytes") as refused:
            await cri.create(pod, container_config(["/" + "x" * 70_000]))
    is_one_line(refused.value)


async def test_ten_megabytes_in_a_request_are_not_repeated(cri: Cri) -> None:
    huge = "x" * MEGABYTES
    config = pod_config(cri.daemon, hostname=f"{huge}_")
    with pytest.raises(InvalidArgument) as refused:
        await cri.run_pod(config)
    assert "config.hostname" in is_one_line(refused.value)
    pod = await cri.run_pod()
    for command in ([f"/{huge}"], ["sh", f"{huge}\0"]):
        with pytest.raises(CriShimError) as failed:
            await cri.start(await cri.create(pod, container_config(command)))
        is_one_line(failed.value)
        await cri.remove_all()
        pod = await cri.run_pod()


async def test_the_conditions_and_the_inventory_are_bounded_lines(cri: Cri) -> None:
    directory = Path(str(cri.daemon.settings["cni_config_dir"]))
    directory.mkdir(exist_ok=True)
    files = [directory / f"10-{EVIL.replace('/', '')}.conflist", directory / "\udcff.conf"]
    files[0].write_text(json.dumps({"cniVersion": "1.0.0", "name": EVIL, "plugins": []}))
    files[1].write_text("{")
    try:
        for _ in range(200):
            status = await cri.runtime.Status(api.StatusRequest(verbose=True))
            network = next(c for c in status.status.conditions if c.type == "NetworkReady")
            if not network.status:
                break
        assert "no usable CNI configuration" in is_one_line(network.message)
        assert "forged" in network.message
        info = await cri.control.Info(control.InfoRequest())
        assert json.loads(info.json)["networks"]["problems"]
    finally:
        for file in files:
            file.unlink()
        directory.rmdir()
