"""Exits of containers without the usual notification: a dead conmon, a new daemon, a poll."""

import pytest

from cri_shim.linux import pidfd, process
from cri_shim.oci import exits as exits_module
from cri_shim.oci.exits import Exits, read
from cri_shim.pb import state_pb2 as state

WAIT = "while [ ! -e /tmp/go ]; do sleep 0.02; done;"


async def test_the_exit_code_is_known_although_conmon_was_killed_before(yard):
    made = await yard.run(f"{WAIT} exit 3")
    await yard.kill(made.monitor)
    await yard.exec(made, "touch /tmp/go")
    exit = await yard.next_exit()
    assert (exit.id, exit.exit_code, exit.known, exit.oom) == (made.id, 3, True, False)


async def test_a_signal_is_known_although_conmon_was_killed_before(yard):
    made = await yard.run("sleep 600")
    await yard.kill(made.monitor)
    await yard.kill(made.init)
    exit = await yard.next_exit()
    assert (exit.exit_code, exit.known) == (137, True)


async def test_monitor_and_workload_killed_together_are_an_exit(yard):
    made = await yard.run("sleep 600")
    await yard.kill(made.init, made.monitor)
    assert (await yard.next_exit()).exit_code == 137


async def test_a_new_watcher_reports_exits_from_before_it(yard):
    made = await yard.run("exit 4")
    first = await yard.next_exit()
    yard.exits = Exits()
    yard.exits.watch(made.id, made.bundle, made.init, made.monitor)
    assert await yard.next_exit() == first == read(made.id, made.bundle)


async def test_a_new_watcher_follows_running_containers(yard):
    made = await yard.run(f"{WAIT} exit 5")
    yard.exits.close()
    yard.exits = Exits()
    yard.exits.watch(made.id, made.bundle, made.init, made.monitor)
    await yard.exec(made, "touch /tmp/go")
    assert (await yard.next_exit()).exit_code == 5


async def test_without_monitor_and_init_the_exit_code_is_unknown(yard):
    made = await yard.run("sleep 600")
    yard.exits.close()
    await yard.kill(made.monitor)
    await yard.kill(made.init)
    await yard.until(lambda: process.state(made.init.pid) is None)
    yard.exits = Exits()
    yard.exits.watch(made.id, made.bundle, made.init, made.monitor)
    exit = await yard.next_exit()
    assert (exit.exit_code, exit.known) == (255, False)


async def test_a_record_without_a_monitor_is_followed_by_its_init(yard):
    made = await yard.run("sleep 600")
    yard.exits.close()
    await yard.kill(made.monitor)
    yard.exits.watch(made.id, made.bundle, made.init, state.Process())
    await yard.kill(made.init)
    assert (await yard.next_exit()).exit_code == 137


async def test_an_unwatched_container_has_no_exit(yard):
    made = await yard.run("sleep 600")
    yard.exits.unwatch(made.id)
    yard.exits.unwatch(made.id)
    other = await yard.run("exit 0")
    await yard.kill(made.init)
    assert (await yard.next_exit()).id == other.id


async def test_without_descriptors_the_poll_finds_exits(yard, monkeypatch):
    def none_left(pid, start):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(pidfd, "open_verified", none_left)
    monkeypatch.setattr(exits_module, "POLL_S", 0.05)
    made = await yard.create(["sh", "-c", "exit 6"])
    yard.exits.watch(made.id, made.bundle, made.init, made.monitor)
    await yard.oci.start(yard.handler, made.id)
    assert (await yard.next_exit()).exit_code == 6


@pytest.mark.parametrize("count", [20])
async def test_each_of_many_containers_has_one_exit(yard, count):
    made = [await yard.run("exit 0") for _ in range(count)]
    told = [(await yard.next_exit()).id for _ in range(count)]
    assert sorted(told) == sorted(m.id for m in made)
