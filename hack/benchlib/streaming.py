"""Measures MB/s of exec output and port-forward, and the time from an exec to its first byte.

    python -m hack.benchlib.streaming [--megabytes N] [--rounds N] [--json]

Each rate has a second figure: the MB that the daemon moves in one second of its own CPU. On a
machine with other load, compare that figure. First bytes alternate with a bare `exec` of the OCI
runtime in the same container.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cri_shim.linux import nsenter
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from hack.benchlib.figures import Samples, table
from hack.benchlib.instance import Instance, running
from hack.benchlib.measured import Cri, Pod, connect
from tests.fixtures.streams import Spdy, Talker, Tunnel

CHUNK = 1 << 20
FRAME = 32 << 10  # bytes: one frame of Go's clients
_BURST = 32  # frames in one write
ECHO = ["echo", "x"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="hack/bench streaming", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000, help="of each throughput (1000)")
    parser.add_argument("--rounds", type=int, default=40, help="of first bytes (40)")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    args = parser.parse_args()
    with running() as instance:
        found = _with_pod(instance, args)
    print(json.dumps(found, indent=2) if args.json else _text(found))
    return 0


def _with_pod(instance: Instance, args: argparse.Namespace) -> dict[str, Any]:
    with connect(instance.socket) as channel:
        cri = Cri(channel, "crun", instance.logs)
        cri.load_image(instance.directory)
        try:
            pod = cri.up()
            return asyncio.run(_measure(instance, pod, args))
        finally:
            cri.remove_mine()


async def _measure(instance: Instance, pod: Pod, args: argparse.Namespace) -> dict[str, Any]:
    size = args.megabytes * 1_000_000
    async with Client(instance.socket) as client:
        bench = _Bench(instance, client, pod)
        rates = {f"exec, {wire}": await bench.output(wire, size) for wire in ("spdy", "websocket")}
        for wire in ("spdy", "tunnel"):
            rates[f"forward from the pod, {wire}"] = await bench.forward(wire, size, down=True)
            rates[f"forward to the pod, {wire}"] = await bench.forward(wire, size, down=False)
        return {"rates": rates, "first_byte": await bench.first_bytes(args.rounds)}


class _Bench:
    def __init__(self, instance: Instance, client: Client, pod: Pod) -> None:
        self._instance = instance
        self._runtime = client.runtime
        self._pod = pod

    async def _exec(self, wire: str, *command: str) -> Talker:
        asked = api.ExecRequest(
            container_id=self._pod.container, cmd=command, stdout=True, stderr=True
        )
        url = (await self._runtime.Exec(asked)).url
        return await Talker.open(wire, url, "stdout", "stderr")

    async def output(self, wire: str, size: int) -> dict[str, float]:
        blocks = size >> 16
        talker = await self._exec(wire, "dd", "if=/dev/zero", "bs=64k", f"count={blocks}")
        sock = talker.wire.sock
        return await self._rate(lambda: _drain(sock, blocks << 16))

    async def forward(self, wire: str, size: int, *, down: bool) -> dict[str, float]:
        listening = nsenter.in_netns(await self._netns(), _listen)
        port = str(listening.getsockname()[1])
        peer = threading.Thread(target=_pour if down else _swallow, args=(listening, size))
        peer.start()
        url = await self._forward_url()
        opener = Tunnel.open_tunnel if wire == "tunnel" else Spdy.open
        client = await opener(url, "portforward.k8s.io")
        await client.stream(streamtype="error", port=port, requestid="0")
        data = await client.stream(streamtype="data", port=port, requestid="0")
        if down:
            rate = await self._rate(lambda: _drain(client.sock, size))
        else:
            client.spdy.send(data, bytes(FRAME))
            frame = client.outgoing()
            rate = await self._rate(lambda: _feed(client.sock, frame, size))
        client.close()
        peer.join()
        listening.close()
        return rate

    async def _netns(self) -> Path:
        request = api.PodSandboxStatusRequest(pod_sandbox_id=self._pod.id, verbose=True)
        answer = await self._runtime.PodSandboxStatus(request)
        return Path(json.loads(answer.info["info"])["netns"])

    async def _forward_url(self) -> str:
        asked = api.PortForwardRequest(pod_sandbox_id=self._pod.id)
        return str((await self._runtime.PortForward(asked)).url)

    async def _rate(self, work: Callable[[], int]) -> dict[str, float]:
        cpu, begin = self._instance.cpu_s(), time.perf_counter()
        moved = await asyncio.to_thread(work) / 1e6
        took, cpu = time.perf_counter() - begin, self._instance.cpu_s() - cpu
        return {"mb_per_s": round(moved / took), "mb_per_cpu_s": round(moved / max(cpu, 0.01))}

    async def first_bytes(self, rounds: int) -> dict[str, dict[str, float]]:
        samples = Samples()
        for _ in range(rounds):
            for wire in ("spdy", "websocket"):
                begin = time.perf_counter()
                talker = await self._exec(wire, *ECHO)
                await talker.until(b"x")
                samples.add(f"exec, {wire}", time.perf_counter() - begin)
                await talker.code()
                talker.close()
            samples.add("bare crun exec", self._bare())
        return samples.summary()

    def _bare(self) -> float:
        root = self._instance.run_root / "oci" / "crun"
        command = ["crun", f"--root={root}", "exec", self._pod.container, *ECHO]
        begin = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.read(1)
            return time.perf_counter() - begin


def _listen() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(1)
    return made


def _pour(listening: socket.socket, size: int) -> None:
    """The pod's side: send more than `size`, or until the peer stops reading."""
    connection, _ = listening.accept()
    with connection:
        for _ in range(size // CHUNK + 1):
            connection.sendall(bytes(CHUNK))


def _swallow(listening: socket.socket, size: int) -> None:
    """The pod's side: read to the end."""
    connection, _ = listening.accept()
    with connection:
        _drain(connection, sys.maxsize)


def _drain(sock: socket.socket, size: int) -> int:
    sock.setblocking(True)
    buffer, count = bytearray(CHUNK), 0
    while count < size and (read := sock.recv_into(buffer)):
        count += read
    return count


def _feed(sock: socket.socket, frame: bytes, size: int) -> int:
    sock.setblocking(True)
    burst, count = frame * _BURST, 0
    while count < size:
        sock.sendall(burst)
        count += FRAME * _BURST
    return count


def _text(found: dict[str, Any]) -> str:
    lines = [f"{'throughput':<34}{'MB/s':>9}{'MB per CPU s':>15}"]
    lines += [
        f"  {name:<32}{rate['mb_per_s']:>9}{rate['mb_per_cpu_s']:>15}"
        for name, rate in found["rates"].items()
    ]
    return "\n".join([*lines, "", table("request to first byte", found["first_byte"])])


if __name__ == "__main__":
    sys.exit(main())
