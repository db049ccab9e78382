"""The private daemon that is measured: starts it, measures its cost, and removes its traces."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cri_shim.linux import mounts
from cri_shim.network import masquerade

START_S = 30.0
STOP_S = 20.0
RUN_BYTES = 256 << 20
HUGETLB = Path("/sys/fs/cgroup/hugetlb")
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def running() -> Iterator["Instance"]:
    """Yield a started instance in a directory of its own; afterwards nothing of it is left."""
    with tempfile.TemporaryDirectory(prefix="csb", dir="/tmp", ignore_cleanup_errors=True) as work:
        instance = Instance(Path(work))
        try:
            instance.start()
            yield instance
        finally:
            instance.stop()


class Instance:
    """A daemon with a bridge of its own, and all its files below `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "root"
        self.run_root = directory / "run"
        self.netns_dir = directory / "netns"
        self.socket = directory / "cri.sock"
        self.log = directory / "log"
        self.logs = directory / "pods"
        self.registries_conf = directory / "registries.conf"  # empty; read anew for each pull
        self._bridge = f"csb{os.getpid() % 100000:x}"
        self.subnet = f"10.{224 + os.getpid() % 16}.{os.getpid() // 16 % 250}.0/24"
        self._process: subprocess.Popen[bytes] | None = None
        self._hugetlb_is_ours = False

    @property
    def bridge(self) -> str:
        return self._bridge

    def start(self) -> None:
        """Return when the daemon serves; RuntimeError with its log if it does not."""
        self._have_hugetlb()
        for directory in ("net.d", "netns", "pods"):
            (self.directory / directory).mkdir()
        self.run_root.mkdir()  # like /run: these files need no disk, they end with the boot
        mounts.tmpfs(self.run_root, RUN_BYTES, 0o711)
        self.registries_conf.touch()
        config = self.directory / "config.toml"
        config.write_text(
            f'cni_config_dir = "{self.directory}/net.d"\n'
            f'[server]\nroot = "{self.root}"\nrun_root = "{self.run_root}"\n'
            f'socket = "{self.socket}"\n'
            f'[image]\nregistries_conf = "{self.registries_conf}"\n'
            f'[network]\nnetns_dir = "{self.netns_dir}"\n'
            f'bridge = "{self.bridge}"\nsubnet = "{self.subnet}"\n'
        )
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cri_shim", "--config", str(config), "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        limit = time.monotonic() + START_S
        while not self.socket.exists():
            if self._process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"the daemon does not start:\n{self.log.read_text()}")
            time.sleep(0.05)

    def _have_hugetlb(self) -> None:
        """Mount hugetlb: crun needs every v1 hierarchy of the kernel; some machines lack it."""
        v1 = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
        known = "\nhugetlb\t" in Path("/proc/cgroups").read_text()
        if v1 and known and not mounts.is_mounted(HUGETLB):
            HUGETLB.mkdir(exist_ok=True)
            subprocess.run(
                ["mount", "-t", "cgroup", "-o", "hugetlb", "cgroup", str(HUGETLB)], check=True
            )
            self._hugetlb_is_ours = True

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def cpu_s(self) -> float:
        """Return the CPU seconds of the daemon itself, without the programs that it runs."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def pss_kib(self) -> int:
        """Return the daemon's proportional set size."""
        return pss_kib(self.pid)

    def stop(self) -> None:
        """End the daemon, and remove what an instance keeps on purpose: bridge, rule, mounts."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True, check=False)
        asyncio.run(masquerade.remove(self.subnet))
        for mounted in mounts.mounts_below(self.directory):
            mounts.unmount(mounted)
        if self._hugetlb_is_ours:
            subprocess.run(["umount", str(HUGETLB)], check=False)
            HUGETLB.rmdir()


def pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/{pid}/smaps_rollup has no Pss")


def conmons(socket_directory: Path) -> list[int]:
    """Return the pids of conmons whose bundles are below a directory."""
    found = []
    below = os.fsencode(socket_directory) + b"/"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            argv = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if argv[0].endswith(b"conmon") and any(word.startswith(below) for word in argv):
            found.append(int(entry.name))
    return found
