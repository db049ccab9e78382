"""Lists the processes of a container as `ps` inside it would, with their pids on the host."""

from dataclasses import dataclass

from cri_shim import lifecycle
from cri_shim.aio import outside
from cri_shim.engine import Engine
from cri_shim.errors import WrongState
from cri_shim.linux import proc_table
from cri_shim.linux.proc_table import ProcessFacts
from cri_shim.linux.rootfs import read_text_in_root
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import users


@dataclass(frozen=True, slots=True)
class Process:
    """One process. Times in seconds."""

    pid: int  # in the container's pid namespace
    host_pid: int
    ppid: int  # in the container's pid namespace; 0: its parent is not in the container
    user: str  # the name from the container's /etc/passwd, else the number
    uid: int  # in the container's user namespace
    host_uid: int
    state: str  # ps(1)'s letter
    tty: str  # "?" for none
    cpu: float
    elapsed: float
    name: str
    command: tuple[str, ...]

    @property
    def cpu_percent(self) -> float:
        """Percent of one CPU since its start."""
        return 100 * self.cpu / self.elapsed if self.elapsed else 0.0


async def top(engine: Engine, container_id: str) -> list[Process]:
    """Return every process in the container's cgroup by pid, including exec processes.

    WrongState if it does not run.
    """
    container = engine.objects.container(container_id)
    if not lifecycle.is_running(container):
        raise WrongState(f"container {container.id} is not running: it has no processes")
    # A process controls its own arguments; reading them may be slow.
    return await outside.look(f"the processes of container {container.id}", _top, engine, container)


def _top(engine: Engine, container: state.ContainerRecord) -> list[Process]:
    group = container.cgroups_path
    facts = [found for pid in engine.cgroups.pids(group) if (found := proc_table.read(pid))]
    # A process that is still in the cgroup now was in the container when it was read.
    current = engine.cgroups.pids(group)
    known = {found.pid: found for found in facts if found.pid in current}
    init = known.get(container.init.pid)
    if init is None:
        raise WrongState(f"container {container.id} has just ended")
    depth = len(init.pids) - 1
    names = users.names(_passwd(engine, container.id))
    processes = [_process(each, known, depth, names, init.pid) for each in known.values()]
    return sorted(processes, key=lambda process: process.pid)


def _process(
    facts: ProcessFacts,
    known: dict[int, ProcessFacts],
    depth: int,
    names: dict[int, str],
    init: int,
) -> Process:
    parent = known.get(facts.parent)
    try:
        uid = proc_table.inside(init, facts.uid)
    except OSError:
        uid = facts.uid  # the container is ending
    return Process(
        pid=facts.pids[min(depth, len(facts.pids) - 1)],
        host_pid=facts.pid,
        ppid=0 if parent is None else parent.pids[min(depth, len(parent.pids) - 1)],
        user=names.get(uid, str(uid)),
        uid=uid,
        host_uid=facts.uid,
        state=facts.state,
        tty=facts.tty,
        cpu=facts.cpu,
        elapsed=facts.elapsed,
        name=facts.name,
        command=facts.command,
    )


def _passwd(engine: Engine, id: str) -> str:
    try:
        return read_text_in_root(engine.paths.rootfs(id), "/etc/passwd", users.FILE_LIMIT)
    except OSError:
        return ""  # the container has replaced it by something else
