"""Control groups on this machine's real hierarchies."""

import asyncio
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.aio.child import Child, spawn
from cri_shim.errors import TimedOut
from cri_shim.isolation import cgroups, hierarchies
from cri_shim.isolation.cgroups import Cgroups
from cri_shim.linux import pidfd

TREES = hierarchies.Hierarchies()
FORKING = """
n=0
while [ $n -lt 40 ]; do sleep 600 & n=$((n + 1)); done
while :; do sleep 0.01 & wait $!; done
"""


def groups(relative: str) -> list[Path]:
    return [tree.group(relative) for tree in TREES.all()]


def make(path: Path, *, pass_on: bool = True) -> None:
    """Make a group that processes may enter: in a cpuset tree it needs its parent's sets, and in
    one of version 2 with controllers its parent must pass them on.
    """
    if TREES.v2_only() and pass_on:
        (path.parent / "cgroup.subtree_control").write_text("+memory +pids")
    path.mkdir(exist_ok=True)
    for sets in path.glob("cpuset.[cm][pe][um]s"):
        sets.write_text((path.parent / sets.name).read_text())


@pytest.fixture
def on() -> Iterator[Cgroups]:
    name = f"cri-shim-test-{secrets.token_hex(4)}"
    on = Cgroups("cgroupfs", name=name)
    yield on
    on.prune()
    top = hierarchies.MOUNT_DIRECTORY
    assert [*top.glob(f"*/{name}*"), *top.glob(f"{name}*")] == []


@pytest.fixture
def group(on: Cgroups) -> Iterator[str]:
    """The OCI path of a group that exists in every hierarchy, as an OCI runtime leaves it."""
    parent = on.default_parent.strip("/")
    for place in [*groups(parent), *groups(f"{parent}/pod"), *groups(f"{parent}/pod/box")]:
        make(place)
    yield on.oci_path(f"/{parent}/pod", "box")
    for place in groups(parent):
        hierarchies.remove(place)


def enter(path: str, child: Child) -> None:
    for place in groups(path.strip("/")):
        (place / "cgroup.procs").write_text(str(child.pid))


async def test_every_process_of_a_group_and_below_is_listed(on: Cgroups, group: str) -> None:
    children = [spawn(["sleep", "600"]) for _ in range(2)]
    below = [place / "below" for place in groups(group.strip("/"))]
    for place in below:
        make(place, pass_on=False)  # the group above has processes of its own
    enter(group, children[0])
    enter(f"{group}/below", children[1])
    listed = on.pids(group)
    await on.empty(group)
    codes = [await child.wait() for child in children]
    assert listed == {child.pid for child in children}
    assert codes == [-signal.SIGKILL] * 2


async def test_emptying_reaches_a_process_that_is_in_one_hierarchy_only(
    on: Cgroups, group: str
) -> None:
    child = spawn(["sleep", "600"])
    (groups(group.strip("/"))[-1] / "cgroup.procs").write_text(str(child.pid))
    await on.empty(group)
    assert await child.wait() == -signal.SIGKILL


async def test_emptying_ends_a_group_that_keeps_forking(
    on: Cgroups, group: str, tmp_path: Path
) -> None:
    limit = TREES.holding("pids")
    assert limit is not None
    (limit.group(group.strip("/")) / "pids.max").write_text("64")
    # It forks in the group alone, which ends it whatever happens here.
    script = f"until [ -e {tmp_path}/go ]; do sleep 0.02; done; {FORKING}"
    child = spawn(["sh", "-c", script])
    enter(group, child)
    (tmp_path / "go").touch()
    while len(on.pids(group)) < 32:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await on.empty(group)
    await child.wait()
    assert on.pids(group) == set()


def freeze(group: str) -> Path:
    """Freeze the group; return its state file."""
    freezer = TREES.holding("freezer")
    assert freezer is not None
    file, word = ("cgroup.freeze", "1") if freezer.v2 else ("freezer.state", "FROZEN")
    (freezer.group(group.strip("/")) / file).write_text(word)
    return freezer.group(group.strip("/")) / file


async def test_emptying_ends_frozen_processes(on: Cgroups, group: str) -> None:
    child = spawn(["sleep", "600"])
    enter(group, child)
    freeze(group)
    await on.empty(group)
    assert await child.wait() == -signal.SIGKILL


async def test_a_thawed_group_runs_again(on: Cgroups, group: str) -> None:
    child = spawn(["sleep", "600"])
    enter(group, child)
    file = freeze(group)
    while not on.frozen(group):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await on.thaw(group)
    assert file.read_text() in ("THAWED\n", "0\n")
    child.kill()
    assert await child.wait() == -signal.SIGKILL
    await on.thaw("/cri-shim-test-never/made")


async def test_thawing_supports_the_freezer_of_version_2(
    on: Cgroups, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unified = next(tree for tree in TREES.all() if tree.v2)
    monkeypatch.setattr(hierarchies, "MOUNT_DIRECTORY", unified.mount)
    monkeypatch.setattr(on._trees, "all", lambda: (unified,))
    file = unified.group(group.strip("/")) / "cgroup.freeze"
    file.write_text("1")
    assert on.frozen(group)
    await on.thaw(group)
    assert not on.frozen(group)
    assert file.read_text() == "0\n"


async def test_emptying_an_empty_or_missing_group_is_no_error(on: Cgroups, group: str) -> None:
    await on.empty(group)
    await on.empty("/cri-shim-test-never/made")


async def test_a_process_that_does_not_die_is_named_after_the_limit(
    on: Cgroups, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = spawn(["sleep", "600"])
    enter(group, child)
    with monkeypatch.context() as patched:
        # Stands for a process stuck in the kernel, which no test can make: no signal reaches it.
        patched.setattr(pidfd, "send", lambda fd, number: False)
        patched.setattr(Path, "write_text", refuse)
        with pytest.raises(TimedOut, match=rf"processes {child.pid} in cgroup {group} did not"):
            await on.empty(group, limit_s=0.1)
    await child.end()


def refuse(self: Path, text: str) -> int:
    raise FileNotFoundError(2, "No such file or directory", str(self))


async def test_removing_includes_nested_groups_and_is_idempotent(on: Cgroups, group: str) -> None:
    for place in groups(group.strip("/")):
        (place / "below/deeper").mkdir(parents=True)
    await on.remove(group)
    await on.remove(group)
    assert not any(place.exists() for place in groups(group.strip("/")))
    assert all(place.parent.exists() for place in groups(group.strip("/")))


async def test_a_group_in_use_is_not_removed_but_the_others_are(
    on: Cgroups, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "BUSY_S", 0.0)
    child = spawn(["sleep", "600"])
    used, *others = groups(group.strip("/"))
    (used / "cgroup.procs").write_text(str(child.pid))
    with pytest.raises(OSError, match="busy") as refusal:
        await on.remove(group)
    await child.end()
    assert refusal.value.filename == str(used)
    assert not any(place.exists() for place in others)


async def test_removing_waits_for_the_last_process_to_be_gone(on: Cgroups, group: str) -> None:
    child = spawn(["sleep", "600"])
    enter(group, child)
    removal = asyncio.create_task(on.remove(group))
    child.kill()
    await removal
    await child.wait()
    assert not any(place.exists() for place in groups(group.strip("/")))


async def test_deaths_for_lack_of_memory_are_counted(on: Cgroups, group: str) -> None:
    memory = TREES.holding("memory")
    assert memory is not None
    place = memory.group(group.strip("/"))
    limit = "memory.max" if memory.v2 else "memory.limit_in_bytes"
    (place / limit).write_text(str(8 << 20))
    before = on.oom_count(group)
    child = spawn(["sh", "-c", f"echo $$ > {place}/cgroup.procs && exec tail /dev/zero"])
    code = await child.wait()
    assert (before, code, on.oom_count(group)) == (0, -signal.SIGKILL, 1)


async def test_memory_usage_is_none_without_a_group(on: Cgroups, group: str) -> None:
    child = spawn(["sh", "-c", "read line; exec true"])
    enter(group, child)
    used = on.memory_usage(group)
    await child.end()
    assert used is not None
    assert used >= 0
    assert on.memory_usage("/cri-shim-test-never/made") is None
    assert on.oom_count("/cri-shim-test-never/made") is None


def daemon_at(group: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Wherever this test runs, be in that group in every hierarchy."""
    lines = [f"0:{name}:{group}\n" for name in TREES.own_groups()]
    (tmp_path / "own").write_text("".join(lines))
    monkeypatch.setattr(hierarchies, "OWN_GROUPS", tmp_path / "own")


async def test_a_monitor_moves_from_the_daemons_groups_to_its_own(
    on: Cgroups, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    daemon_at("/system.slice/cri-shim.service", monkeypatch, tmp_path)
    child = spawn(["sleep", "600"])
    on.join_monitor("4f", child.pid)
    theirs = hierarchies.parse_own(Path(f"/proc/{child.pid}/cgroup").read_text())
    await child.end()
    await on.remove_monitor("4f")
    await on.remove_monitor("4f")
    own = f"/{on.monitor_parent}/4f"
    trees = {tree.named(): tree for tree in TREES.all()}
    moved = {name for name, at in theirs.items() if at == own}
    assert moved == {"", "memory", "pids", "name=systemd"} & trees.keys()
    assert not any(place.exists() for place in groups(f"{on.monitor_parent}/4f"))


async def test_a_monitor_stays_where_the_daemon_is_at_the_root(
    on: Cgroups, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    daemon_at("/", monkeypatch, tmp_path)
    on.join_monitor("4f", 0)
    assert not any(place.exists() for place in groups(on.monitor_parent))


async def test_the_group_of_a_running_monitor_is_not_removed(
    on: Cgroups, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    daemon_at("/system.slice/cri-shim.service", monkeypatch, tmp_path)
    child = spawn(["sleep", "600"])
    on.join_monitor("4f", child.pid)
    with pytest.raises(OSError, match="busy"):
        await on.remove_monitor("4f")
    await child.end()
    await on.remove_monitor("4f")


def test_warming_up_does_not_move_the_daemon(on: Cgroups) -> None:
    before = TREES.own_groups()
    on.warm_up()
    on.warm_up()
    assert TREES.own_groups() == before


def test_pruning_spares_groups_that_are_in_use(on: Cgroups) -> None:
    kept = [place / "box" for place in groups(on.default_parent.strip("/"))]
    for place in kept:
        place.mkdir(parents=True)
    on.prune()
    spared = [place.exists() for place in kept]
    for place in kept:
        place.rmdir()
    on.prune()
    assert spared == [True] * len(kept)


def test_the_controllers_of_this_machine_are_known(on: Cgroups) -> None:
    assert {"memory", "pids", "cpu"} <= on.controllers()
    assert on.version() in (1, 2)


def test_a_tree_of_version_2_gives_its_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = Cgroups("cgroupfs")
    tree = hierarchies.Hierarchy(tmp_path, "/", frozenset(), v2=True)
    monkeypatch.setattr(hierarchies, "MOUNT_DIRECTORY", tmp_path)
    monkeypatch.setattr(on._trees, "all", lambda: (tree,))
    (tmp_path / "cri-shim/box").mkdir(parents=True)
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "cri-shim/box/memory.current").write_text("4096\n")
    (tmp_path / "cri-shim/box/memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    assert on.version() == 2
    assert on.controllers() == {"cpu", "memory"}
    assert on.memory_usage("/cri-shim/box") == 4096
    assert on.oom_count("/cri-shim/box") == 2
