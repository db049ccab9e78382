"""Thousands of sessions leave the daemon as they found it."""

import asyncio
import gc

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri
from tests.fixtures.host import descriptors, resident, threads, until
from tests.fixtures.streams import Spdy, Talker, Tunnel

SESSIONS = 2000
AT_ONCE = 16
WARM_UP = 500  # until allocators and caches have the size they keep
POOL = 6  # threads that pools of fixed size may still start
GROWTH = 8 << 20  # bytes of memory, 4 KiB a session: what one left task or buffer would take


async def session(cri: Cri, pod: str, container: str, number: int) -> None:
    """A session of one of several kinds, some aborted in the middle."""
    transport = ("spdy", "websocket")[number % 2]
    match number // 2 % 5:
        case 0:
            await executed(cri, container, transport, tty=bool(number // 10 % 2))
        case 1 | 2:
            await attached(cri, container, transport, close_at_once=bool(number // 10 % 2))
        case _:
            await forwarded(cri, pod, transport)


async def executed(cri: Cri, container: str, transport: str, *, tty: bool) -> None:
    asked = api.ExecRequest(
        container_id=container, cmd=["echo", "x"], stdout=True, stderr=not tty, tty=tty
    )
    url = (await cri.runtime.Exec(asked)).url
    streams = ("stdout", "resize") if tty else ("stdout", "stderr")
    talker = await Talker.open(transport, url, *streams)
    assert await talker.code() == 0
    talker.close()


async def attached(cri: Cri, container: str, transport: str, *, close_at_once: bool) -> None:
    asked = api.AttachRequest(container_id=container, stdin=True, stdout=True, stderr=True)
    url = (await cri.runtime.Attach(asked)).url
    talker = await Talker.open(transport, url, "stdin", "stdout", "stderr")
    if not close_at_once:
        await talker.end_input()
        await talker.status()
    talker.close()


async def forwarded(cri: Cri, pod: str, transport: str) -> None:
    url = (await cri.runtime.PortForward(api.PortForwardRequest(pod_sandbox_id=pod))).url
    opener = Tunnel.open_tunnel if transport == "websocket" else Spdy.open
    wire = await opener(url, "portforward.k8s.io")
    await wire.stream(streamtype="error", port="8080", requestid="0")
    data = await wire.stream(streamtype="data", port="8080", requestid="0")
    await wire.send(data, b"GET /etc/passwd HTTP/1.0\r\n\r\n")
    await wire.read_until(lambda: data in wire.done)
    assert b"root:x:0" in wire.received[data]
    wire.close()


async def rounds(cri: Cri, pod: str, container: str, numbers: range) -> None:
    pending = iter(numbers)

    async def work() -> None:
        for number in pending:
            await session(cri, pod, container, number)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


async def test_two_thousand_sessions_leave_no_descriptor_thread_or_memory(cri):
    pid = cri.daemon.pid
    pod = await cri.run_pod()
    container = await cri.run(
        pod, ["sh", "-c", "httpd -p 8080 -h /; while read x; do :; done"], stdin=True
    )
    listening = "until wget -q -O /dev/null http://127.0.0.1:8080/etc/passwd; do usleep 10000; done"
    await cri.sh(container, listening)
    await rounds(cri, pod, container, range(WARM_UP))
    await until(lambda: not list((cri.daemon.run_root / "exec").iterdir()))
    await asyncio.sleep(1.5)  # connections linger for a second
    gc.collect()
    files, tasks, memory = descriptors(pid), threads(pid), resident(pid)
    await rounds(cri, pod, container, range(WARM_UP, WARM_UP + SESSIONS))
    await until(lambda: descriptors(pid) <= files)
    assert threads(pid) <= tasks + POOL
    assert resident(pid) - memory < GROWTH
    assert not list((cri.daemon.run_root / "exec").iterdir())
    assert "Traceback" not in cri.daemon.log.read_text()
