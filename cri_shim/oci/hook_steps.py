"""Makes a step of each hook that the OCI runtime runs, by a look at the processes below it.

The OCI runtime says nothing of its hooks. So a timer looks for a process with the name of one, and
its step lasts until the process ends. A call that ends before the first look costs one timer. A
hook that ends before it has no step: its time is the OCI runtime's.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Self

from cri_shim.activity import Step
from cri_shim.linux import process
from cri_shim.linux.process_handle import Process
from cri_shim.oci import bundle as bundles

FIRST_LOOK_S = 0.05  # a create without hooks takes 8 ms with crun, 24 with runc
LOOK_S = 0.02
MOST_LOOKS = 3_000  # a minute: no verb may last longer
DEEPEST = 4  # conmon, its OCI runtime, the container's init, the hook
MOST_PROCESSES = 64  # that are looked at
NAME = 15  # characters of a process's name in the kernel

# The stages during each verb. A startContainer hook runs after the verb, inside the container. runc
# before 1.2 runs poststart hooks in its create.
STAGES = {
    "create": ("prestart", "createRuntime", "createContainer", "poststart"),
    "start": ("poststart",),
    "delete": ("poststop",),
}


@dataclass(frozen=True, slots=True)
class Hook:
    stage: str
    path: str
    timeout: float | None

    @property
    def name(self) -> str:
        return PurePath(self.path).name


class HookSteps:
    """In the block, the hooks of `verb` are steps inside of the current one.

    `above` returns the pid of conmon or the OCI runtime, 0 while it is not known.
    """

    def __init__(self, verb: str, runtime: str, bundle: Path, above: Callable[[], int]) -> None:
        self._verb, self._runtime, self._bundle, self._above = verb, runtime, bundle, above
        self._hooks: list[Hook] | None = None  # those that have not been seen yet
        self._looks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._running: tuple[Process, Step] | None = None

    def __enter__(self) -> Self:
        self._look_after(FIRST_LOOK_S)
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._end()

    def _look_after(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._hooks is None:
            self._hooks = of(self._bundle, self._verb)
        self._looks += 1
        if not self._hooks or self._looks > MOST_LOOKS:
            return
        found = _running(self._above(), self._hooks)
        if found is None or not self._begin(*found):
            self._look_after(LOOK_S)

    def _begin(self, pid: int, hook: Hook) -> bool:
        """Begin the step of a hook; return whether its process still runs."""
        try:
            held = Process.at(pid)
        except OSError:  # no free descriptor
            return False
        start = process.start_time(pid)
        if held.gone or start is None:
            held.close()
            return False
        text = f"OCI runtime {self._runtime}, {hook.stage} hook {hook.path}"
        step = Step(f"hook {hook.name}", text, limit=hook.timeout, program=True)
        step.__enter__()
        step.began = _monotonic(start, step)
        step.pid = pid
        self._running = held, step
        if self._hooks is not None:
            self._hooks.remove(hook)
        held.on_end(self._ended)
        return True

    def _ended(self) -> None:
        self._end()
        self._look_after(0)

    def _end(self) -> None:
        if self._running is not None:
            held, step = self._running
            self._running = None
            held.close()
            step.__exit__(None, None, None)


def of(bundle: Path, verb: str) -> list[Hook]:
    """Return the hooks of a verb in the order of their runs; none if there is no document."""
    try:
        found = bundles.spec(bundle).get("hooks", {})
        return [_hook(stage, entry) for stage in STAGES[verb] for entry in found.get(stage) or ()]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []  # a precreate hook may have written anything, which the OCI runtime refuses


def _hook(stage: str, entry: dict[str, Any]) -> Hook:
    timeout = entry.get("timeout")
    return Hook(stage, str(entry["path"]), float(timeout) if timeout else None)


def _running(above: int, hooks: Sequence[Hook]) -> tuple[int, Hook] | None:
    """Return the first hook that runs below the process `above`, with its pid."""
    named: dict[str, Hook] = {}
    for hook in hooks:
        named.setdefault(hook.name[:NAME], hook)
    for pid in _below(above):
        with suppress(OSError):
            name = Path(f"/proc/{pid}/comm").read_text(errors="replace").rstrip("\n")
            if name in named:
                return pid, named[name]
    return None


def _below(above: int) -> Iterator[int]:
    """Yield the processes below one, the nearest first."""
    level = [above] if above > 0 else []
    left = MOST_PROCESSES
    for _ in range(DEEPEST):
        level = [child for pid in level for child in _children(pid)][:left]
        left -= len(level)
        yield from level


def _children(pid: int) -> list[int]:
    with suppress(OSError):  # it has ended
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(each) for t in threads for each in (t / "children").read_text().split()]
    return []


def _monotonic(start: int, step: Step) -> float:
    """Return the time of a process's start by the monotonic clock, not before the outer step."""
    earliest = 0.0 if step.outer is None else step.outer.began
    return max(earliest, min(step.began, time.monotonic() - process.age(start)))
