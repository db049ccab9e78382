"""Runs a program of ours that reads or writes a layer: a Python with few imports (20 ms)."""

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cri_shim.aio.child import Finished, run
from cri_shim.errors import CriShimError, ToolFailed, Unavailable
from cri_shim.store.unpack.failure import NO_SPACE_EXIT

_START = (
    "import sys; sys.path[:0] = sys.argv[1:3]; from importlib import import_module;"
    " import_module(sys.argv[3]).main(*sys.argv[4:])"
)


async def call(
    module: str,
    *arguments: str,
    attempt: str,
    directory: Path,
    timeout: float | None = None,
    pass_fds: Sequence[int] = (),
) -> dict[str, Any]:
    """Run `main(*arguments)` of a module, and return the JSON that it prints.

    It runs without site-packages and without settings of the environment. ToolFailed with the
    program's words, or Unavailable if `directory` has no space; `attempt` describes the work for
    the error.
    """
    program = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _START]
    command = [*program, *_import_roots(), module, *arguments]
    done = await run(command, timeout=timeout, pass_fds=pass_fds)
    if done.returncode:
        raise _failure(done, attempt, directory)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _import_roots() -> list[str]:
    """Return the directories where the child imports this project and its codecs from."""
    isal = importlib.util.find_spec("isal")
    assert isal is not None and isal.origin is not None
    return [str(Path(__file__).parents[2]), str(Path(isal.origin).parent.parent)]


def _failure(done: Finished, attempt: str, directory: Path) -> CriShimError:
    if done.returncode == NO_SPACE_EXIT:
        return Unavailable(f"{attempt}: no space left in {directory}; remove images or files")
    return ToolFailed(f"{attempt}: {done.complaint()}")
