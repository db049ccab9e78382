"""The field's own client against a rootless daemon, run by its user: streams and all."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.fixtures.cri import Cri
from tests.fixtures.user import UserDaemon
from tests.fixtures.user_pods import on_the_node

CRICTL = os.environ.get("CRICTL") or shutil.which("crictl") or ""
pytestmark = pytest.mark.skipif(not CRICTL, reason="needs crictl, on PATH or by $CRICTL")
_FETCH = """
import sys, time, urllib.request
end = time.monotonic() + 20
while True:
    try:
        print(urllib.request.urlopen("http://127.0.0.1:18099/").read().decode(), end="")
        break
    except OSError:
        if time.monotonic() > end:
            raise
        time.sleep(0.02)
"""


class Crictl:
    """A copy of the program that the user can execute."""

    def __init__(self, daemon: UserDaemon) -> None:
        self._daemon = daemon
        self._program = daemon.directory / "crictl"
        shutil.copy(CRICTL, self._program)
        self._program.chmod(0o755)
        self._running: list[subprocess.Popen[bytes]] = []

    def _command(self, *words: str) -> list[str]:
        endpoint = f"unix://{self._daemon.socket}"
        return self._daemon.machine.as_user(
            str(self._program), "-r", endpoint, "-i", endpoint, *words
        )

    def said(self, *words: str, given: str = "") -> str:
        """Return its output until its end."""
        done = subprocess.run(self._command(*words), input=given, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *words: str) -> None:
        """Have it run until the test ends."""
        null = subprocess.DEVNULL
        command = self._command(*words)
        self._running.append(subprocess.Popen(command, stdin=null, stdout=null, stderr=null))

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
        self._program.unlink()


@pytest.fixture
def crictl(daemon: UserDaemon) -> Iterator[Crictl]:
    made = Crictl(daemon)
    yield made
    made.end()


async def test_a_command_gets_input_and_returns_output(crictl: Crictl, cri: Cri) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, ["sleep", "1000"])
    assert crictl.said("exec", "-i", container, "cat", given="through\n") == "through\n"


async def test_a_port_of_a_pod_is_forwarded(crictl: Crictl, cri: Cri, daemon: UserDaemon) -> None:
    pod = await cri.run_pod()
    serve = "mkdir -p /www; echo web >/www/index.html; exec httpd -f -p 80 -h /www"
    await cri.run(pod, ["sh", "-c", serve])
    crictl.start("port-forward", pod, "18099:80")
    assert daemon.machine.python(_FETCH).stdout == "web\n"


async def test_pods_and_containers_are_listed(crictl: Crictl, cri: Cri, daemon: UserDaemon) -> None:
    pod = await cri.run_pod(on_the_node(daemon))
    container = await cri.run(pod, ["sleep", "1000"])
    assert crictl.said("pods", "-q").split() == [pod]
    assert crictl.said("ps", "-q", "--no-trunc").split() == [container]
