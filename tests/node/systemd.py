"""systemd's units and groups, as a test looks at them."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cri_shim.isolation.cgroup_names import expand_slice

TREE = Path("/sys/fs/cgroup")


def systemctl(*words: str) -> str:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def show(unit: str, name: str) -> str:
    """A property of a unit as systemd has it."""
    return systemctl("show", "--value", "-p", name, unit)


@dataclass(frozen=True, slots=True)
class Slice:
    """The slice of a pod."""

    name: str

    def start(self) -> None:
        systemctl("start", self.name)

    def limit(self, **properties: str) -> None:
        systemctl(
            "set-property", "--runtime", self.name, *(f"{k}={v}" for k, v in properties.items())
        )

    def forget_limits(self) -> None:
        """Remove the files that keep them; `systemctl revert` would have all units loaded anew."""
        shutil.rmtree(f"/run/systemd/system.control/{self.name}.d", ignore_errors=True)

    @property
    def group(self) -> Path:
        return TREE / expand_slice(self.name)

    @property
    def parent(self) -> str:
        """As the kubelet names it to a runtime."""
        return f"/{expand_slice(self.name)}"


@dataclass(frozen=True, slots=True)
class Scope:
    """The unit of a container, and its files."""

    container: str
    slice: Slice

    @property
    def name(self) -> str:
        return f"cri-shim-{self.container}.scope"

    @property
    def group(self) -> Path:
        return self.slice.group / self.name

    def read(self, file: str) -> str:
        return (self.group / file).read_text().strip()

    def effective(self, file: str) -> str:
        """In the group in which the processes are: crun has one below the scope."""
        inner = self.group / "container" / file
        return inner.read_text().strip() if inner.exists() else self.read(file)
