"""The files of /etc that containers of a pod share and may write: their size is bounded."""

import os
from pathlib import Path

import pytest

from cri_shim.isolation import pod_tmpfs
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, pod_config

SLEEP = ["sleep", "60"]
FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
GROWTH = 64 << 20  # bytes; a copy of what the container wrote would be a multiple of this


def resident(pid: int) -> int:
    """Bytes of memory that the process has had at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


async def run_pod(cri: Cri, handler: str) -> str:
    return await cri.run_pod(pod_config(cri.daemon, hostname="mine"), handler)


async def test_a_huge_hostname_file_is_not_read(cri: Cri, handler: str) -> None:
    pod = await run_pod(cri, handler)
    container = await cri.run(pod, SLEEP, "one")
    script = "dd if=/dev/zero of={} bs=1 count=1 seek=3221225472 conv=notrunc"
    for path in FILES:
        await cri.sh(container, script.format(path) + " 2>/dev/null")
    before = resident(cri.daemon.pid)
    second = await cri.run(pod, SLEEP, "two")
    assert resident(cri.daemon.pid) - before < GROWTH
    assert await cri.sh(second, "echo $HOSTNAME $(stat -c %s /etc/hostname)") == "mine 3221225473\n"


@pytest.mark.parametrize("written", [r"\377\376", r"a\nPATH=/evil\n", r"a\000b", ""])
async def test_text_written_to_the_hostname_file_reaches_no_environment(
    cri: Cri, handler: str, written: str
) -> None:
    pod = await run_pod(cri, handler)
    container = await cri.run(pod, SLEEP, "one")
    await cri.sh(container, f"printf '{written}' > /etc/hostname")
    second = await cri.run(pod, SLEEP, "two")
    environment = await cri.sh(second, "env; hostname")
    assert "HOSTNAME=mine\n" in environment
    assert environment.endswith("\nmine\n")
    assert "evil" not in environment


async def test_containers_can_write_a_limited_number_of_bytes_to_the_files(
    cri: Cri, handler: str
) -> None:
    pod = await run_pod(cri, handler)
    container = await cri.run(pod, SLEEP)
    place = os.statvfs(cri.daemon.run_root)
    for path in FILES:
        answer = await cri.exec(container, "dd", "if=/dev/zero", f"of={path}", "bs=1M", "count=256")
        assert (answer.exit_code, b"No space left on device" in answer.stderr) == (1, True)
    directory = cri.daemon.run_root / "pods" / pod / "etc"
    used = sum((directory / Path(path).name).stat().st_blocks * 512 for path in FILES)
    assert used <= pod_tmpfs.ETC_ROOM + (64 << 10)
    now = os.statvfs(cri.daemon.run_root)
    assert (place.f_bavail - now.f_bavail) * place.f_frsize < pod_tmpfs.ETC_ROOM * 2
    other = await cri.run(await run_pod(cri, handler), SLEEP)  # another pod has files of its own
    assert await cri.sh(other, "cat /etc/hostname") == "mine\n"


async def test_bytes_written_to_the_files_count_as_the_containers_memory(
    cri: Cri, handler: str
) -> None:
    container = await cri.run(await run_pod(cri, handler), SLEEP)
    before = await _memory(cri, container)
    await cri.sh(container, "dd if=/dev/zero of=/etc/hosts bs=1M count=3 2>/dev/null")
    # The kernel accounts in batches, and gives unused ones back: some hundred KiB either way.
    assert await _memory(cri, container) - before >= 2 << 20


async def _memory(cri: Cri, container: str) -> int:
    """The memory usage in its statistics, in bytes."""
    request = api.ContainerStatsRequest(container_id=container)
    answer = await cri.runtime.ContainerStats(request)
    return int(answer.stats.memory.usage_bytes.value)


async def test_the_files_end_with_the_pod(cri: Cri, handler: str) -> None:
    pod = await run_pod(cri, handler)
    await cri.run(pod, SLEEP)
    await cri.remove_pod(pod)
    assert cri.daemon.traces() == []
