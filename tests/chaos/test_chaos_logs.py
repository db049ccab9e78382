"""A log is rotated many times while its container writes as fast as a busy one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.daemon import Daemon

ROTATIONS = 50
# It writes 20,000 numbered lines a second until /tmp/end exists; the last line has no newline.
WRITER = (
    "n=0; while [ ! -e /tmp/end ]; do seq $((n+1)) $((n+1000)); n=$((n+1000)); usleep 45000; done;"
    "printf last"
)
RECORD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d\d:\d\d stdout ([FP]) (.*)\n")


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}) as started:
        yield started


async def rotate(rig: Rig, container: str, log: Path, number: int) -> Path:
    """Rotate the log as the kubelet does."""
    await rig.until(lambda: log.stat().st_size > 0)
    old = log.with_suffix(f".{number}")
    log.rename(old)
    request = api.ReopenContainerLogRequest(container_id=container)
    await rig.cri.runtime.ReopenContainerLog(request)
    return old


def lines(files: list[Path]) -> list[str]:
    """Return the lines that the container wrote, joined from records that must be complete."""
    found, begun = [], ""
    for file in files:
        for record in file.read_text().splitlines(keepends=True):
            match = RECORD.fullmatch(record)
            assert match, (file, record)
            begun += match[2]
            if match[1] == "F":
                found.append(begun)
                begun = ""
    return [*found, begun]


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_no_line_is_lost_doubled_or_torn_by_a_log_rotation(rig: Rig, handler: str) -> None:
    pod = await rig.cri.run_pod(handler=handler)
    container = await rig.cri.run(pod, ["sh", "-c", WRITER])
    log = Path((await rig.cri.status(container)).log_path)
    files = [await rotate(rig, container, log, number) for number in range(ROTATIONS)]
    await rig.cri.touch(container, "/tmp/end")
    await rig.cri.exited(container)
    written = lines([*files, log])
    assert written == [*map(str, range(1, len(written))), "last"]
    assert len(written) > ROTATIONS * 100
