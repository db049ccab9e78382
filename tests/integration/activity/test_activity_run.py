"""Ctrl-C at `run` while the network of its pod is made: it is answered, and nothing is left."""

import asyncio
import os
import signal

from cri_shim.aio import child
from tests.fixtures import busybox
from tests.fixtures.commands import LIMIT_S, command
from tests.fixtures.cri import Cri
from tests.integration.activity.conftest import WAITS, Gate, in_progress, waiting


async def test_the_first_ctrl_c_says_what_is_waited_for_and_the_second_leaves(
    cri: Cri, gate: Gate
) -> None:
    errors, written = os.pipe()
    words = command(cri, "run", "--name", "hang", busybox.NAME, "true")
    running = child.spawn(words, stderr=written)
    os.close(written)
    try:
        await waiting(cri, "pod default/hang")
        running.kill(signal.SIGINT)
        async with asyncio.timeout(LIMIT_S):
            said = (await asyncio.to_thread(os.read, errors, 500)).decode()
            assert said.startswith(f"cri-shim: removing the pod, waiting for {WAITS}")
            assert said.rstrip("\n").endswith("; Ctrl-C again leaves it to the daemon")
            running.kill(signal.SIGINT)
            assert await running.wait() == 128 + signal.SIGINT
    finally:
        await running.end()
        os.close(errors)
        gate.open()
    async with asyncio.timeout(LIMIT_S):
        while await cri.pods() or await in_progress(cri):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
