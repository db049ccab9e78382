"""A whole machine that a test controls from outside; `hack/vm test` runs these tests."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

VM = os.environ.get("CRI_SHIM_VM", "")
SERVES = "timeout 90 sh -c 'until systemctl is-active -q cri-shim; do sleep 0.3; done'"
PYTHON = "cd /root/cri-shim && /opt/cri-shim/bin/python -m tests.machine.inside"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not VM and "/tests/machine/" in str(item.path):
            item.add_marker(pytest.mark.skip(reason="needs a virtual machine: hack/vm test"))


class Machine:
    """The node that hack/vm has started."""

    def run(self, command: str, limit: float = 120) -> str:
        """A command line in it, which must succeed; its output."""
        return self._vm("shell", command, limit=limit)

    def ask(self, verb: str) -> dict[str, Any]:
        """Return the answer of tests.machine.inside on the machine."""
        return dict(json.loads(self.run(f"{SERVES} && {PYTHON} {verb}", limit=240)))

    def begin(self, verb: str) -> None:
        """The same, not waited for."""
        self.run(f"nohup sh -c '{PYTHON} {verb}' >/dev/null 2>&1 </dev/null &")

    def put(self, file: Path, target: str) -> None:
        """Copy a file of this machine there."""
        command = [VM, "shell", f"cat >{target}"]
        with file.open("rb") as source:
            subprocess.run(command, stdin=source, check=True, timeout=120)

    def write(self, target: str, text: str) -> None:
        """Make a file there."""
        command = [VM, "shell", f"cat >{target}"]
        subprocess.run(command, input=text, text=True, check=True, timeout=60)

    def lay_checkout(self) -> None:
        """Bring the checkout, its unit file and its configuration, as hack/vm does."""
        self._vm("copy", limit=120)

    def reboot(self) -> float:
        """Shut it down in order and start it again; the seconds of the first."""
        said = self._vm("reboot", limit=500)
        (line,) = [line for line in said.splitlines() if "shut down after" in line]
        return float(line.split()[-2])

    def cut_power(self) -> None:
        """End it without a word, and start it again."""
        self._vm("cut", limit=60)
        self._vm("boot", limit=400)

    def _vm(self, *words: str, limit: float) -> str:
        done = subprocess.run(
            [VM, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit
        )
        if done.returncode:
            pytest.fail(f"{words}: {done.stdout}\n{done.stderr}", pytrace=False)
        return done.stdout


@pytest.fixture
def machine() -> Iterator[Machine]:
    """With the daemon installed as a service, and nothing in it before and after."""
    made = Machine()
    made.run("rm -rf /var/lib/machine && systemctl enable --now cri-shim && sync")
    made.ask("work")
    yield made
    made.ask("work")
    made.run("systemctl disable --now cri-shim")
