"""The floor: runs the programs of a pod bare, one after another, in the cheapest way.

Namespaces and mounts are made by the same system calls in this process; posix_spawn starts the
programs. The times do not include files that are needed in any case (the OCI document, resolv.conf,
...).
"""

import json
import os
import secrets
import select
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.isolation import namespaces, pod_tmpfs
from cri_shim.linux import mounts
from hack.benchlib.figures import Samples
from hack.benchlib.template import Template

UP = ("namespaces", "CNI ADD", "mounts", "conmon + create", "start")
DOWN = ("kill + end of conmon", "delete", "unmounts", "CNI DEL", "end of namespaces")
SYNC_S = 60.0


@dataclass(frozen=True, slots=True)
class Bare:
    """A pod that no daemon knows."""

    pod: str
    container: str
    result: Mapping[str, Any]


class Floor:
    def __init__(self, template: Template, prime: Callable[[], None]) -> None:
        """`prime` is called parallel to the CNI plugin and after it: see Cgroups.warm_up."""
        self._of = template
        self._prime = prime
        self._env = {"PATH": template.plugin_env["PATH"]}
        self._quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
        self._left: dict[str, str] = {}  # pod -> container, of pods that are not removed yet

    def up(self, samples: Samples) -> Bare:
        pod, container = secrets.token_hex(32), secrets.token_hex(32)
        where, bundle = self._directories(pod, container)
        self._left[pod] = container
        with _timed(samples, "namespaces"):
            namespaces.pin(self._pins(pod), hostname="floor", sysctls={})
        priming = threading.Thread(target=self._prime)
        priming.start()
        with _timed(samples, "CNI ADD"):
            result = self._plugin("ADD", pod, container, self._of.plugin_input)
        priming.join()
        with _timed(samples, "mounts"):
            self._prime()
            pod_tmpfs.mount_shm(where / "shm")
            self._mount_rootfs(bundle, pod, container)
        with _timed(samples, "conmon + create"):
            self._create(pod, container)
        with _timed(samples, "start"):
            self._run([*self._of.runtime(), "start", container])
        return Bare(pod, container, result)

    def exec(self, bare: Bare, command: Sequence[str], samples: Samples) -> None:
        with _timed(samples, "exec"):
            self._run([*self._of.runtime(), "exec", bare.container, *command])

    def down(self, bare: Bare, samples: Samples) -> None:
        pod, container = bare.pod, bare.container
        where, bundle = self._pod(pod), self._bundle(container)
        with _timed(samples, "kill + end of conmon"):
            monitor = os.pidfd_open(int((bundle / "conmon.pid").read_text()))
            os.kill(int((bundle / "pidfile").read_text()), signal.SIGKILL)
            _wait_for(monitor)
        with _timed(samples, "delete"):
            self._run([*self._of.runtime(), "delete", container])
        with _timed(samples, "unmounts"):
            mounts.unmount(bundle / "rootfs")
            mounts.unmount(where / "shm")
        with _timed(samples, "CNI DEL"):
            given = {**self._of.plugin_input, "prevResult": bare.result}
            self._plugin("DEL", pod, container, given)
        with _timed(samples, "end of namespaces"):
            for path in self._pins(pod).values():
                namespaces.unpin(path)
        shutil.rmtree(bundle)
        shutil.rmtree(where)
        shutil.rmtree(Path(self._of.of(self._of.upper, pod, container)).parent)
        del self._left[pod]

    def close(self) -> None:
        """Remove pods that remain after an error; their files and mounts end with the instance."""
        for pod, container in self._left.items():
            with suppress(OSError, RuntimeError):
                self._run([*self._of.runtime(), "delete", "--force", container])
            with suppress(OSError, RuntimeError):
                self._plugin("DEL", pod, container, self._of.plugin_input)
            for path in self._pins(pod).values():
                namespaces.unpin(path)

    def _pod(self, pod: str) -> Path:
        return self._of.run_root / "pods" / pod

    def _bundle(self, container: str) -> Path:
        return self._of.run_root / "containers" / container

    def _pins(self, pod: str) -> dict[str, Path]:
        own = self._pod(pod) / "ns"
        netns = Path(self._of.netns.replace(self._of.pod, pod))
        return {"net": netns, "uts": own / "uts", "ipc": own / "ipc"}

    def _directories(self, pod: str, container: str) -> tuple[Path, Path]:
        """Make all files that a pod needs."""
        where, bundle = self._pod(pod), self._bundle(container)
        logs = self._of.run_root / "logs" / container
        for directory in (where / "ns", where / "shm", where / "etc", bundle / "rootfs", logs):
            directory.mkdir(parents=True)
        for name in ("resolv.conf", "hostname", "hosts"):
            shutil.copy(self._pod(self._of.pod) / "etc" / name, where / "etc" / name)
        (bundle / "config.json").write_text(self._of.of(self._of.document, pod, container))
        for own in (self._of.upper, self._of.work):
            Path(self._of.of(own, pod, container)).mkdir(parents=True)
        return where, bundle

    def _mount_rootfs(self, bundle: Path, pod: str, container: str) -> None:
        lowers = [Path(lower) for lower in self._of.lower.split(":")]
        upper, work = (
            Path(self._of.of(own, pod, container)) for own in (self._of.upper, self._of.work)
        )
        mounts.overlay(lowers, upper, work, bundle / "rootfs")

    def _plugin(
        self, verb: str, pod: str, container: str, given: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Run the CNI plugin by its specification; return its result."""
        env = {k: self._of.of(v, pod, container) for k, v in self._of.plugin_env.items()}
        with _memory(json.dumps(given).encode()) as stdin, _memory(b"") as stdout:
            actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1)]
            self._run([str(self._of.plugin)], env | {"CNI_COMMAND": verb}, actions)
            said = os.pread(stdout, 1 << 20, 0)
        result: Mapping[str, Any] = json.loads(said) if said else {}
        return result

    def _create(self, pod: str, container: str) -> None:
        """Run conmon, and wait for its message that the container is created."""
        argv = [self._of.of(word, pod, container) for word in self._of.conmon]
        read, write = os.pipe()
        try:
            actions = [*self._quiet, (os.POSIX_SPAWN_DUP2, write, 3)]
            self._run(argv, self._env | {"_OCI_SYNCPIPE": "3"}, actions)
            os.close(write)
            said = os.read(read, 1 << 16)
            answer = json.loads(said.partition(b"\n")[0] or b"{}")
            if answer.get("pid", answer.get("data", -1)) <= 0:
                raise RuntimeError(f"conmon says {said!r}")
        finally:
            os.close(read)

    def _run(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        actions: Sequence[tuple[Any, ...]] | None = None,
    ) -> None:
        child = os.posix_spawn(
            argv[0],
            list(argv),
            self._env if env is None else env,
            file_actions=self._quiet if actions is None else actions,
        )
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            raise RuntimeError(f"{' '.join(argv)} ended with {code}")


@contextmanager
def _timed(samples: Samples, step: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    samples.add(step, time.perf_counter() - begin)


@contextmanager
def _memory(data: bytes) -> Iterator[int]:
    fd = os.memfd_create("bench", os.MFD_CLOEXEC)
    try:
        os.write(fd, data)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _wait_for(pidfd: int) -> None:
    try:
        select.select([pidfd], [], [], SYNC_S)
    finally:
        os.close(pidfd)
