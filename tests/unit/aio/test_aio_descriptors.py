"""The limit of open files: raised for the daemon, and not for its child processes."""

import json
import resource
import subprocess
import sys

import pytest

from cri_shim.aio import descriptors

RAISED = """
import asyncio, json, resource, subprocess
from cri_shim.aio import child, descriptors

async def started():
    # It is given the limit just after it was started.
    wait = "n=0; while [ $(ulimit -Sn) = %d ] && [ $n -lt 50 ]; do n=$((n+1)); sleep 0.02; done"
    done = await child.run(["sh", "-c", wait + "; ulimit -Sn; ulimit -Hn"])
    return done.stdout.decode().split()

resource.setrlimit(resource.RLIMIT_NOFILE, (%d, %d))
descriptors.raise_limit()
descriptors.raise_limit()
print(json.dumps([
    resource.getrlimit(resource.RLIMIT_NOFILE),
    descriptors.limit(),
    descriptors.for_children(),
    asyncio.run(started()),
]))
"""


def raised(soft: int, hard: int) -> list[object]:
    """The limits of a process after the change, and those of its child."""
    done = subprocess.run(
        [sys.executable, "-c", RAISED % (hard, soft, hard)], capture_output=True, check=True
    )
    return list(json.loads(done.stdout))


def test_the_soft_limit_is_raised_and_children_have_the_old_one() -> None:
    assert raised(512, 2048) == [[2048, 2048], 2048, [512, 2048], ["512", "2048"]]


@pytest.mark.large
def test_without_a_raised_limit_children_inherit_it() -> None:
    assert raised(1024, 1024) == [[1024, 1024], 1024, None, ["1024", "1024"]]


def test_a_child_that_has_ended_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "_inherited", resource.getrlimit(resource.RLIMIT_NOFILE))
    with subprocess.Popen(["true"]) as process:
        process.wait()
    descriptors.restore(process.pid)


@pytest.mark.parametrize(
    ("limit", "last"), [(1024, 1024 - 256), (256, 192), (1 << 20, (1 << 20) - 256)]
)
def test_the_last_descriptors_are_known(
    limit: int, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "limit", lambda: limit)
    assert not descriptors.is_last(last - 1)
    assert descriptors.is_last(last)
