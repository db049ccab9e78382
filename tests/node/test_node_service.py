"""The daemon as a service of systemd, by the unit file that we ship."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures import busybox
from tests.fixtures.cri import Cri, container_config
from tests.fixtures.systemd import show, systemctl

UNIT = "cri-shim.service"
DROP_IN = Path(f"/run/systemd/system/{UNIT}.d/test.conf")
WATCHDOG_S = 5
LIMIT_S = 60.0


class Service:
    """The installed daemon, with what tests ask of a private one."""

    socket = Path("/run/cri-shim/cri-shim.sock")

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def pid(self) -> int:
        return int(show(UNIT, "MainPID"))

    def until(self, true: Callable[[], bool]) -> None:
        limit = time.monotonic() + LIMIT_S
        while not true():
            assert time.monotonic() < limit, self.journal()
            time.sleep(0.2)

    def is_back(self, but: int) -> bool:
        """Whether another process than `but` serves now."""
        return show(UNIT, "ActiveState") == "active" and self.pid() not in (0, but)

    def journal(self) -> str:
        command = ["journalctl", "-u", UNIT, "-o", "cat", "-n", "200", "--no-pager"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    DROP_IN.write_text(f"[Service]\nWatchdogSec={WATCHDOG_S}\nRestartSec=1\n")
    systemctl("daemon-reload")
    systemctl("start", UNIT)
    yield Service(tmp_path_factory.mktemp("service"))
    systemctl("stop", UNIT)
    DROP_IN.unlink()
    systemctl("daemon-reload")


@pytest.fixture
async def cri(service: Any) -> AsyncIterator[Cri]:
    async with Client(service.socket) as client:
        calls = Cri(service, client)
        await calls.load_busybox()
        yield calls
    async with Client(service.socket) as client:  # another daemon by now, perhaps
        calls = Cri(service, client)
        await calls.remove_all()
        image = api.RemoveImageRequest(image=api.ImageSpec(image=busybox.NAME))
        await calls.image.RemoveImage(image)


async def test_a_container_outlives_the_daemon_killed_stopped_and_hung(
    service: Service, cri: Cri
) -> None:
    pod = await cri.run_pod()
    living = await cri.run(pod, ["sleep", "600"], "living")
    ending = await cri.run(
        pod, ["sh", "-c", "until [ -e /go ]; do usleep 20000; done; exit 7"], "e"
    )
    pid, old = (await cri.info(living))["pid"], service.pid()
    started = Path(f"/proc/{pid}/stat").read_text().split()[21]

    os.kill(old, signal.SIGKILL)
    service.until(lambda: service.is_back(but=old))
    old = service.pid()
    systemctl("stop", UNIT)
    systemctl("start", UNIT)
    assert service.is_back(but=old)
    old = service.pid()
    os.kill(old, signal.SIGSTOP)  # it does nothing more; the watchdog sees it
    service.until(lambda: service.is_back(but=old))

    assert "Watchdog timeout" in service.journal()
    async with Client(service.socket) as client:
        again = Cri(service, client)  # type: ignore[arg-type]
        await again.touch(ending, "/go")
        assert (await again.exited(ending)).exit_code == 7
        assert (await again.status(living)).state == api.CONTAINER_RUNNING
    assert Path(f"/proc/{pid}/stat").read_text().split()[21] == started


async def test_the_daemon_serves_by_the_systemd_driver_and_writes_to_the_journal(
    service: Service, cri: Cri
) -> None:
    config = await cri.runtime.RuntimeConfig(api.RuntimeConfigRequest())
    assert config.linux.cgroup_driver == api.SYSTEMD
    assert (show(UNIT, "Type"), show(UNIT, "NotifyAccess")) == ("notify", "main")
    journal = service.journal()
    assert f"serving on {service.socket}" in journal
    assert not re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d", journal)  # the journal has its own clock


async def test_the_journal_finds_events_by_pod_and_by_request(cri: Cri) -> None:
    pod = await cri.run_pod()
    events = _events(f"CRI_SHIM_POD_ID={pod}")
    end = next(e for e in events if " call RunPodSandbox " in e["MESSAGE"])

    assert (end["CRI_SHIM_NAMESPACE"], end["PRIORITY"]) == ("test", "6")
    assert end in _events(f"REQUEST_ID={end['REQUEST_ID']}")


def _events(match: str) -> list[dict[str, Any]]:
    command = ["journalctl", "-u", UNIT, "-o", "json", "--no-pager", match]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_a_container_has_the_limits_of_the_service_and_its_own_oom_score(
    service: Service, cri: Cri
) -> None:
    config = container_config(["sleep", "600"])
    config.linux.resources.oom_score_adj = 1000
    container = await cri.create(await cri.run_pod(), config)
    await cri.start(container)
    assert Path(f"/proc/{service.pid()}/oom_score_adj").read_text() == "-999\n"
    read = "cat /proc/1/oom_score_adj /proc/self/oom_score_adj; ulimit -n"
    assert (await cri.sh(container, read)).split() == ["1000", "1000", "1048576"]
