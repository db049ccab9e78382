"""Runs a module in a child process: a Python with few imports (20 ms).

Such a program reads or writes a layer, or talks to a registry.
"""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cri_shim.aio.child import Finished, run
from cri_shim.errors import CriShimError, ToolFailed, Unavailable
from cri_shim.store.unpack.failure import NO_SPACE_EXIT

_START = (
    "import sys; sys.path[:0] = sys.argv[1:4]; from importlib import import_module;"
    " import_module(sys.argv[4]).main(*sys.argv[5:])"
)
_PACKAGES = ("isal", "urllib3")  # zstandard is installed beside the first


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs `main(*arguments)` of a module.

    It runs without site-packages and without settings of the environment.
    """
    program = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _START]
    return [*program, *_import_roots(), module, *arguments]


async def call(
    module: str,
    *arguments: str,
    attempt: str,
    directory: Path,
    timeout: float | None = None,
    feed: int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
) -> dict[str, Any]:
    """Run `main(*arguments)` of a module, and return the JSON that it prints.

    ToolFailed with the program's words, or Unavailable if `directory` has no space; `attempt`
    describes the work for the error. `feed` is the descriptor of its standard input.
    """
    program = command(module, *arguments)
    done = await run(program, timeout=timeout, feed=feed, pass_fds=pass_fds)
    return result(done, attempt, directory)


def result(done: Finished, attempt: str, directory: Path) -> dict[str, Any]:
    """Return the JSON that a program printed; raise the error if it failed, as in `call`."""
    if done.returncode:
        raise _failure(done, attempt, directory)
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def _import_roots() -> list[str]:
    """Return the directories where the child imports this project and its libraries from."""
    found = [str(Path(__file__).parents[2])]
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.origin is not None
        found.append(str(Path(spec.origin).parent.parent))
    return found


def _failure(done: Finished, attempt: str, directory: Path) -> CriShimError:
    if done.returncode == NO_SPACE_EXIT:
        return Unavailable(f"{attempt}: no space left in {directory}; remove images or files")
    return ToolFailed(f"{attempt}: {done.complaint()}")
