"""The unpacking child's own walls: root directory, capabilities, memory."""

import json
import os
import sys
from pathlib import Path

from cri_shim.aio.child import run

_LOOK = """
import sys, os, json, resource
from cri_shim.store.unpack.confine import confine
status = open("/proc/self/status")
confine(sys.argv[1])
status.seek(0)
fields = dict(line.rstrip("\\n").split(":\\t", 1) for line in status if ":\\t" in line)
print(json.dumps({
    "root": os.listdir("/"), "cwd": os.getcwd(), "effective": fields["CapEff"],
    "permitted": fields["CapPrm"], "no_new_privs": fields["NoNewPrivs"],
    "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
}))
"""


async def test_the_child_sees_its_directory_and_keeps_what_extraction_needs(tmp_path: Path) -> None:
    (tmp_path / "only").touch()

    done = await run([sys.executable, "-c", _LOOK, str(tmp_path)], env=dict(os.environ))

    assert done.returncode == 0, done.complaint()
    seen = json.loads(done.stdout)
    needed = sum(1 << bit for bit in (0, 1, 2, 3, 4, 21, 27, 31))
    assert seen["root"] == ["only"]
    assert seen["cwd"] == "/"
    assert int(seen["effective"], 16) | needed == needed
    assert int(seen["permitted"], 16) | needed == needed
    assert seen["no_new_privs"] == "1"
    assert seen["memory"] == 1 << 30


_TRY_WITHOUT_DIRECTORY = """
import sys, os, json
from cri_shim.store.unpack.child import _no_directory
from cri_shim.store.unpack.confine import confine
status = open("/proc/self/status")
confine(_no_directory(sys.argv[1]), capabilities=0)
status.seek(0)
fields = dict(line.rstrip("\\n").split(":\\t", 1) for line in status if ":\\t" in line)
try:
    os.mkdir("/made")
    made = "made"
except OSError as e:
    made = e.strerror
print(json.dumps({"root": os.listdir("/"), "permitted": fields["CapPrm"], "made": made}))
"""


async def test_the_child_that_writes_a_file_system_has_no_directory_and_no_capability(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", _TRY_WITHOUT_DIRECTORY, str(tmp_path / "root")]

    done = await run(command, env=dict(os.environ))

    assert done.returncode == 0, done.complaint()
    seen = json.loads(done.stdout)
    assert seen == {"root": [], "permitted": "0" * 16, "made": "No such file or directory"}
    assert list(tmp_path.iterdir()) == []
