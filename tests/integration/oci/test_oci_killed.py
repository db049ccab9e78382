"""A daemon killed between any two steps of a create: its leftovers can be ended."""

import sys

import pytest

from cri_shim.aio import child

STEPS = ["spawn", "place", "go", "wait", "identify"]

DAEMON = """
import asyncio, sys
from pathlib import Path
from cri_shim.oci.conmon import Conmon
from cri_shim.oci.handlers import Handler
from cri_shim.oci.runtime import OciRuntime

async def main(name, path, root, run_root, id, bundle):
    oci = OciRuntime(exec_dir=Path(run_root) / "exec")
    place = lambda id, pid: None
    logs = Path(run_root) / "logs"
    conmon = Conmon(["/usr/bin/conmon"], oci, place_monitor=place, logs=logs)
    handler = Handler(name, Path(path), Path(path), Path(root))
    await conmon.create(
        handler, id, Path(bundle), log=None, tty=False, stdin=False, stdin_once=False
    )

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("step", STEPS)
async def test_a_create_of_a_killed_daemon_can_be_ended(yard, step, tmp_path):
    id, where, _ = yard.lay_out(["sh"])
    plan = tmp_path / "plan"
    plan.write_text(f"oci.create.{step} kill\n")
    handler = yard.handler
    words = [handler.name, handler.path, handler.root, tmp_path, id, where]
    died = await child.run(
        [sys.executable, "-c", DAEMON, *map(str, words)],
        env={"PATH": "/usr/bin:/bin", "CRI_SHIM_FAULTS": str(plan)},
    )
    assert died.returncode == -9, died.complaint()
    await yard.conmon.end(id)
    await yard.oci.delete(handler, id, force=True)
    await yard.cgroups.remove(yard.cgroup(id))
    yard.conmon.cleanup(id, where)
    assert yard.state_of(id) == []
    assert {p.name for p in where.iterdir()} <= {"config.json", "exit"}
