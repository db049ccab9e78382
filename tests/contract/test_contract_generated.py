"""The generated code in the tree is what hack/gen-proto makes of proto/.

It holds for the versions of the generators in requirements-dev.lock: others write other code.
"""

import os
import sys
from pathlib import Path

from cri_shim.aio import child

ROOT = Path(__file__).parents[2]
PATTERNS = ("pb/*_pb2.py*", "rpc/*_pb2_grpc.pyi")


def generated(package: Path) -> dict[str, str]:
    files = [path for pattern in PATTERNS for path in package.glob(pattern)]
    return {path.relative_to(package).as_posix(): path.read_text() for path in files}


async def test_the_generated_code_is_not_stale(tmp_path: Path) -> None:
    env = os.environ | {"PYTHON": sys.executable}
    made = await child.run([str(ROOT / "hack/gen-proto"), str(tmp_path)], env=env, timeout=120)
    assert (made.returncode, made.complaint()) == (0, "exit status 0, no message")
    fresh, kept = generated(tmp_path), generated(ROOT / "cri_shim")
    assert sorted(fresh) == sorted(kept)
    assert [name for name in sorted(fresh) if fresh[name] != kept[name]] == []


async def test_a_missing_generator_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # -S: without site-packages
    bare.chmod(0o755)
    env = os.environ | {"PYTHON": str(bare)}
    out = tmp_path / "out"
    made = await child.run([str(ROOT / "hack/gen-proto"), str(out)], env=env, timeout=60)
    assert made.returncode == 1
    assert "has no module grpc_tools: pip install -r requirements-dev.lock" in made.complaint()
    assert not out.exists()


async def test_generated_messages_do_not_import_grpc() -> None:
    code = (
        "import cri_shim.pb.api_pb2, cri_shim.pb.control_pb2, sys; sys.exit('grpc' in sys.modules)"
    )
    ran = await child.run([sys.executable, "-c", code], cwd=str(ROOT), timeout=60)
    assert ran.returncode == 0
