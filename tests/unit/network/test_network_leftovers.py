"""An ADD that outlived its daemon is ended before the next daemon does anything."""

import asyncio
import os
import signal
from pathlib import Path

from cri_shim.aio import child
from cri_shim.network import leftovers
from cri_shim.network.network import Network


async def abandoned(fakes, tmp_path, verb: str, mark: str) -> child.Child:
    """A plugin at work as a killed daemon leaves it."""
    os.mkfifo(tmp_path / "reached")
    path = fakes.make("slow", **{verb: f"echo > {tmp_path}/reached; sleep 60"})
    env = {"PATH": os.environ["PATH"], "CNI_COMMAND": verb, leftovers.MARK: mark}
    plugin = child.spawn([str(path)], env=env, session=True)
    await asyncio.to_thread((tmp_path / "reached").read_text)
    return plugin


async def test_an_add_of_an_earlier_daemon_is_ended_at_the_start(fakes, tmp_path, conf_dir):
    plugin = await abandoned(fakes, tmp_path, "ADD", str(tmp_path / "cache"))
    network = Network(
        conf_dir, [fakes.directory], tmp_path / "cache", add_timeout=60, del_timeout=60
    )

    await network.start()
    await network.stop()

    async with asyncio.timeout(5):
        assert await plugin.wait() == -signal.SIGKILL


async def test_the_add_of_another_instance_continues(fakes, tmp_path, conf_dir):
    plugin = await abandoned(fakes, tmp_path, "ADD", "/var/lib/other/cni")
    network = Network(
        conf_dir, [fakes.directory], tmp_path / "cache", add_timeout=60, del_timeout=60
    )

    await network.start()
    await network.stop()

    assert Path(f"/proc/{plugin.pid}/environ").read_bytes()
    os.killpg(plugin.pid, signal.SIGKILL)
    await plugin.wait()


async def test_a_running_del_may_finish(fakes, tmp_path, conf_dir):
    plugin = await abandoned(fakes, tmp_path, "DEL", str(tmp_path / "cache"))
    network = Network(
        conf_dir, [fakes.directory], tmp_path / "cache", add_timeout=60, del_timeout=60
    )

    await network.start()
    await network.stop()

    assert Path(f"/proc/{plugin.pid}/environ").read_bytes()
    os.killpg(plugin.pid, signal.SIGKILL)
    await plugin.wait()
