"""A yard in which containers of a busybox root file system are made by the real programs."""

import asyncio
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cri_shim.aio import reaper
from cri_shim.isolation.cgroups import Cgroups
from cri_shim.isolation.hierarchies import Hierarchies
from cri_shim.linux import boot, syscalls
from cri_shim.linux.process_handle import Process
from cri_shim.oci import bundle, find_conmon, handlers
from cri_shim.oci.conmon import Conmon, Started
from cri_shim.oci.exits import Exit, Exits
from cri_shim.oci.handlers import Handler
from cri_shim.oci.log_directory import LogFile
from cri_shim.oci.runtime import ENVIRONMENT, OciRuntime
from cri_shim.pb import state_pb2 as state

INSTANCE = "cri-shim-oci-test"
PARENT = f"/{INSTANCE}"
BINARIES = {"crun": ["/usr/bin/crun"], "runc": ["/usr/sbin/runc", "/usr/bin/runc"]}
APPLETS = (
    "sh",
    "sleep",
    "echo",
    "cat",
    "seq",
    "yes",
    "head",
    "ps",
    "true",
    "ls",
    "touch",
    "setsid",
)
PTS = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]


@dataclass
class Made:
    """A container of the yard."""

    id: str
    bundle: Path
    log: Path
    started: Started

    @property
    def init(self) -> state.Process:
        return self.started.init

    @property
    def monitor(self) -> state.Process:
        return self.started.monitor


@dataclass
class Yard:
    handler: Handler
    oci: OciRuntime
    conmon: Conmon
    exits: Exits
    cgroups: Cgroups
    run_root: Path
    rootfs: Path
    ids: list[str] = field(default_factory=list)

    def document(self, id: str, command: list[str], **changes: Any) -> dict[str, Any]:
        process = {
            "terminal": changes.get("terminal", False),
            "user": {"uid": 0, "gid": 0},
            "args": command,
            "env": ["PATH=/bin"],
            "cwd": "/",
            "noNewPrivileges": True,
        }
        kinds = ("pid", "mount", "ipc", "uts", "network")
        return {
            "ociVersion": "1.0.2",
            "process": process,
            "root": {"path": str(self.rootfs)},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": PTS},
                {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
            ],
            "linux": {
                "namespaces": [{"type": kind} for kind in kinds],
                "cgroupsPath": self.cgroup(id),
                "resources": {
                    "devices": [{"allow": False, "access": "rwm"}],
                    **changes.get("resources", {}),
                },
            },
        }

    def cgroup(self, id: str) -> str:
        return self.cgroups.oci_path(PARENT, id)

    def lay_out(self, command: list[str], **changes: Any) -> tuple[str, Path, Path]:
        """Id, bundle and log of a container to be."""
        id = secrets.token_hex(32)
        self.ids.append(id)
        where = self.run_root / "containers" / id
        where.mkdir(parents=True)
        bundle.write(where, self.document(id, command, **changes))
        return id, where, self.run_root / f"{id[:8]}.log"

    async def create(self, command: list[str], **changes: Any) -> Made:
        id, where, log = self.lay_out(command, **changes)
        started = await self.conmon.create(
            self.handler,
            id,
            where,
            log=LogFile(log.parent, Path(log.name)),
            tty=changes.get("terminal", False),
            stdin=changes.get("stdin", False),
            stdin_once=changes.get("stdin_once", False),
        )
        return Made(id, where, log, started)

    async def run(self, script: str, **changes: Any) -> Made:
        """A started container that runs a shell script."""
        made = await self.create(["sh", "-c", script], **changes)
        self.exits.watch(made.id, made.bundle, made.init, made.monitor)
        await self.oci.start(self.handler, made.id)
        return made

    async def exec(self, made: Made, script: str, **limits: Any) -> Any:
        process = self.document(made.id, ["sh", "-c", script])["process"]
        limits = {"timeout": 20.0, "limit": 1 << 20, **limits}
        return await self.oci.exec_sync(self.handler, made.id, process, **limits)

    async def next_exit(self) -> Exit:
        async with asyncio.timeout(20):
            return await anext(self.exits.events())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Poll until an outside condition without a notification is true."""
        async with asyncio.timeout(10):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.005)

    async def kill(self, *victims: state.Process) -> None:
        """SIGKILL, all at once, and wait for the end."""
        with ExitStack() as closing:
            held = [closing.enter_context(Process.of(victim)) for victim in victims]
            for process in held:
                assert process.send(signal.SIGKILL)
            for process in held:
                assert await process.ended(5)

    def state_of(self, id: str) -> list[str]:
        """The remains of a container outside of its bundle."""
        found = [f"conmon {p.pid}" for p in find_conmon.of(id)]
        found += [f"process {pid}" for pid in self.cgroups.pids(self.cgroup(id))]
        found += [str(p) for p in (self.handler.root / id,) if p.exists()]
        groups = [tree.group(f"{INSTANCE}/{id}") for tree in Hierarchies().all()]
        found += [str(p) for p in groups if p.exists()]
        return found

    async def clear(self) -> None:
        self.exits.close()
        for id in self.ids:
            await self.conmon.end(id)
            await self.cgroups.empty(self.cgroup(id))
            await self.oci.delete(self.handler, id, force=True)
            self.conmon.cleanup(id, self.run_root / "containers" / id)
            await self.cgroups.remove(self.cgroup(id))
            await self.cgroups.remove_monitor(id)
        self.cgroups.prune()


def busybox_root(rootfs: Path) -> Path:
    for below in ("bin", "proc", "dev", "tmp"):
        (rootfs / below).mkdir(parents=True)
    program = shutil.which("busybox")
    assert program, "busybox-static is not installed"
    shutil.copy(program, rootfs / "bin" / "busybox")
    for applet in APPLETS:
        (rootfs / "bin" / applet).symlink_to("busybox")
    return rootfs


@pytest.fixture
async def subreaper() -> AsyncIterator[None]:
    """This process inherits orphans, as the daemon does."""
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    reaper.start()
    yield
    reaper.reap_orphans()
    reaper.stop()
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 0)


@pytest.fixture(params=["crun", "runc"])
async def yard(
    request: pytest.FixtureRequest, tmp_path: Path, subreaper: None
) -> AsyncIterator[Yard]:
    handler = await handlers.probe(
        request.param,
        BINARIES[request.param],
        run_root=tmp_path,
        boot_id=boot.boot_id(),
        env=ENVIRONMENT,
    )
    cgroups = Cgroups("cgroupfs", name=INSTANCE)
    oci = OciRuntime(exec_dir=tmp_path / "exec")
    conmon = Conmon(
        ["/usr/bin/conmon"], oci, place_monitor=cgroups.join_monitor, logs=tmp_path / "logs"
    )
    rootfs = busybox_root(tmp_path / "rootfs")
    yard = Yard(handler, oci, conmon, Exits(), cgroups, tmp_path, rootfs)
    try:
        assert handler.problem == ""
        yield yard
        await yard.clear()
    finally:
        handlers.release(handler)
