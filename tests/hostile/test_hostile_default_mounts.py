"""Copies of the node's default mounts, which a container may write to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim import default_mounts
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon

SLEEP = ["sleep", "60"]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    directory = tmp_path_factory.mktemp("node")
    (directory / "secrets").mkdir()
    (directory / "secrets/token").write_text("secret")
    (directory / "mounts.conf").write_text(f"{directory}/secrets:/run/secrets\n")
    with private_daemon(default_mounts_file=str(directory / "mounts.conf")) as started:
        yield started


async def test_a_container_can_add_a_limited_number_of_bytes(cri: Cri, handler: str) -> None:
    container = await cri.run(await cri.run_pod(handler=handler), SLEEP)
    answer = await cri.exec(
        container, "dd", "if=/dev/zero", "of=/run/secrets/token", "bs=1M", "count=64"
    )
    assert (answer.exit_code, b"No space left on device" in answer.stderr) == (1, True)
    size = int(await cri.sh(container, "stat -c %s /run/secrets/token"))
    assert size <= default_mounts.ROOM + default_mounts.PAGE
    assert await _copies_of_another(cri, handler) == "secret"


async def test_a_container_can_add_a_limited_number_of_files(cri: Cri, handler: str) -> None:
    container = await cri.run(await cri.run_pod(handler=handler), SLEEP)
    script = "cd /run/secrets && touch $(seq 5000) 2>/dev/null; ls | wc -l"
    assert int(await cri.sh(container, script)) <= default_mounts.ROOM_FILES + 1
    assert await _copies_of_another(cri, handler) == "secret"


async def test_a_container_with_deeply_nested_directories_can_be_removed(
    cri: Cri, handler: str
) -> None:
    container = await cri.run(await cri.run_pod(handler=handler), SLEEP)
    depth = default_mounts.ROOM_FILES - 10
    script = f"cd /run/secrets && for n in $(seq {depth}); do mkdir d && cd -P d; done; echo made"
    assert await cri.sh(container, script) == "made\n"
    await cri.remove(container)
    assert await cri.containers() == []


async def test_the_copies_hold_no_set_uid_programs_and_no_devices(cri: Cri, handler: str) -> None:
    container = await cri.run(await cri.run_pod(handler=handler), SLEEP)
    table = [line.split() for line in (await cri.sh(container, "cat /proc/mounts")).splitlines()]
    options = next(line[3].split(",") for line in table if line[1] == "/run/secrets")
    assert {"nosuid", "nodev", "noexec"} <= set(options)


async def _copies_of_another(cri: Cri, handler: str) -> str:
    other = await cri.run(await cri.run_pod(handler=handler), SLEEP)
    return await cri.sh(other, "cat /run/secrets/token")


async def test_a_container_without_copies_has_no_mount_for_them(cri: Cri, tmp_path: Path) -> None:
    mount = api.Mount(container_path="/run", host_path=str(tmp_path))
    container = await cri.run(await cri.run_pod(), SLEEP, mounts=[mount])
    assert not (cri.daemon.run_root / "containers" / container / "default-mounts").exists()
