"""Measures Version of another client while clients of sessions flood the daemon with small frames.

    python -m hack.benchlib.floods [--sessions N] [--calls N] [--only KIND] [--json]

Each client sends useless frames as fast as they are read, and reads all answers. When its session
is closed, it comes again with a new ticket. The aim: no Version takes 100 ms with 20 of them.
"""

import argparse
import itertools
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

from cri_shim.linux import nsenter
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.stub import RUNTIME, Stub
from cri_shim.wire.spdy import Connection, Role
from cri_shim.wire.spdy.frames import control
from hack.benchlib.figures import Samples, percentile
from hack.benchlib.instance import Instance, running
from hack.benchlib.measured import CALL_S, Cri, Pod, connect

AIM_MS = 100
PAUSE_S = 0.02  # between two calls
SETTLE_S = 1.0
LONGEST_S = 10.0  # the time limit of a call
_REPEATS = 1 << 16  # approximate bytes of frames in one write
_STREAMS = 20_000  # opened by one client before it comes again
_TURN_S = 0.2  # interval in which a client checks for the end

_SPDY = ("POST", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: {}")
_WEBSOCKET = (
    "GET",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: eDAwMDAwMDAwMDAwMDAwMA==",
    "Sec-WebSocket-Protocol: {}",
)


@dataclass(frozen=True, slots=True)
class Flood:
    """The request and the frames of a client: `first` once, then `again` forever (or nothing)."""

    purpose: str  # exec or forward
    head: tuple[str, ...]
    protocol: str
    first: bytes
    again: bytes


def main() -> int:
    parser = argparse.ArgumentParser(prog="hack/bench floods", description=__doc__)
    parser.add_argument("--sessions", type=int, default=20, help="clients that flood (20)")
    parser.add_argument("--calls", type=int, default=100, help="of Version for each kind (100)")
    parser.add_argument("--only", default="", help="the kinds whose names have this in them")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    args = parser.parse_args()
    with running() as instance:
        found = _with_pod(instance, args)
    print(json.dumps(found, indent=2) if args.json else _text(found))
    return 0


def _with_pod(instance: Instance, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    with connect(instance.socket) as channel:
        cri = Cri(channel, "crun", instance.logs)
        cri.load_image(instance.directory)
        try:
            pod = cri.up()
            stub = Stub(channel, RUNTIME)
            listening = nsenter.in_netns(_netns(stub, pod), _listen)
            try:
                port = listening.getsockname()[1]
                kinds: dict[str, Flood | None] = {"nobody": None, **_kinds(port)}
                wanted = {k: v for k, v in kinds.items() if args.only in k}
                return {name: _measure(stub, pod, flood, args) for name, flood in wanted.items()}
            finally:
                listening.close()
        finally:
            cri.remove_mine()


def _netns(stub: Any, pod: Pod) -> Path:
    request = api.PodSandboxStatusRequest(pod_sandbox_id=pod.id, verbose=True)
    answer = stub.PodSandboxStatus(request, timeout=CALL_S)
    return Path(json.loads(answer.info["info"])["netns"])


def _listen() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(4096)
    return made


def _measure(
    stub: Any, pod: Pod, flood: Flood | None, args: argparse.Namespace
) -> dict[str, float]:
    over, sent = threading.Event(), itertools.count()
    clients = [
        threading.Thread(target=_client, args=(stub, pod, flood, over, sent))
        for _ in range(args.sessions if flood else 0)
    ]
    for client in clients:
        client.start()
    time.sleep(SETTLE_S)
    samples = Samples()
    for _ in range(args.calls):
        time.sleep(PAUSE_S)
        begin = time.perf_counter()
        with suppress(grpc.RpcError):  # a failed call counts with the time that it took
            stub.Version(api.VersionRequest(), timeout=LONGEST_S)
        samples.add("Version", time.perf_counter() - begin)
    over.set()
    for client in clients:
        client.join()
    took = samples.sums("Version")
    return {
        "p50_ms": round(percentile(took, 0.5) * 1000, 1),
        "p95_ms": round(percentile(took, 0.95) * 1000, 1),
        "most_ms": round(max(took) * 1000, 1),
        "sessions": next(sent),
    }


def _client(
    stub: Any, pod: Pod, flood: Flood, over: threading.Event, opened: "itertools.count[int]"
) -> None:
    """Flood in one session after another."""
    while not over.is_set():
        with suppress(OSError, grpc.RpcError), _session(stub, pod, flood) as sock:
            next(opened)
            sock.sendall(flood.first)
            _pour(sock, flood.again, over)


def _session(stub: Any, pod: Pod, flood: Flood) -> socket.socket:
    if flood.purpose == "exec":
        command = api.ExecRequest(
            container_id=pod.container, cmd=["cat"], stdin=True, stdout=True, stderr=True
        )
        url = stub.Exec(command, timeout=CALL_S).url
    else:
        ports = api.PortForwardRequest(pod_sandbox_id=pod.id)
        url = stub.PortForward(ports, timeout=CALL_S).url
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname, parts.port), timeout=CALL_S)
    method, *headers = (line.format(flood.protocol) for line in flood.head)
    lines = [f"{method} {parts.path} HTTP/1.1", "Host: h", "Connection: Upgrade", *headers, "", ""]
    sock.sendall("\r\n".join(lines).encode())
    return sock


def _pour(sock: socket.socket, again: bytes, over: threading.Event) -> None:
    """Send, and read all answers; OSError when the other side has closed."""
    sock.settimeout(_TURN_S)
    reader = threading.Thread(target=_drain, args=(sock,))
    reader.start()
    try:
        while not over.is_set():
            with suppress(TimeoutError):
                if again:
                    sock.sendall(again)
                else:
                    over.wait(_TURN_S)
    finally:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        reader.join()


def _drain(sock: socket.socket) -> None:
    while True:
        try:
            if not sock.recv(1 << 16):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _message(opcode: int, payload: bytes) -> bytes:
    """Return a short WebSocket frame of a client, with a mask of zeros."""
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def _many(frame: bytes) -> bytes:
    return frame * (_REPEATS // len(frame))


def _kinds(port: int) -> dict[str, Flood]:
    v5, v4, forward = "v5.channel.k8s.io", "v4.channel.k8s.io", "portforward.k8s.io"
    tunnel = f"SPDY/3.1+{forward}"
    command, stdin = _command()
    frames = {
        "empty data": struct.pack(">II", stdin, 0),
        "one byte of input": struct.pack(">II", stdin, 1) + b"x",
        "pings": control(6, struct.pack(">I", 1)),
        "settings": control(4, struct.pack(">I", 0)),
        "window updates": control(9, struct.pack(">II", stdin, 1)),
        "resets of nothing": control(3, struct.pack(">II", stdin + 2, 5)),
    }
    messages = {
        "empty messages": _message(2, b""),
        "one byte of input": _message(2, b"\0x"),
        "pings": _message(9, b""),
        "pongs": _message(10, b""),
    }  # fmt: skip
    found = {
        f"websocket, {name}": Flood("exec", _WEBSOCKET, v5, b"", _many(frame))
        for name, frame in messages.items()
    }
    found |= {
        f"spdy, {name}": Flood("exec", _SPDY, v4, command, _many(frame))
        for name, frame in frames.items()
    }
    found |= {
        f"forward, streams {name}": Flood("forward", _SPDY, forward, _streams(port, act), b"")
        for name, act in (("reset", "reset"), ("ended", "end"), ("left open", ""))
    }
    found["forward, streams of no type"] = Flood(
        "forward", _SPDY, forward, _streams(port, "reset", kind="x"), b""
    )
    begun = bytes([0x02, 0x81, 0, 0, 0, 0, 0])  # a message with more fragments to come
    found["websocket, empty fragments"] = Flood(
        "exec", _WEBSOCKET, v5, begun, _many(bytes([0x00, 0x80, 0, 0, 0, 0]))
    )
    empties = Flood("forward", _WEBSOCKET, tunnel, b"", _many(_message(2, b"")))
    return found | {"tunnel, empty messages": empties}


def _command() -> tuple[bytes, int]:
    """Return the frames that open an exec with input, and the number of its stdin stream."""
    client = Connection(Role.CLIENT)
    ids = {k: client.open({"streamtype": k}) for k in ("error", "stdin", "stdout", "stderr")}
    return b"".join(client.outgoing()), ids["stdin"]


def _streams(port: int, act: str, kind: str = "data") -> bytes:
    """Return the frames of stream pairs that are opened, and then reset, ended or left open."""
    client = Connection(Role.CLIENT)
    end: Callable[[int], None] = {
        "reset": client.reset,
        "end": lambda stream: client.send(stream, b"", fin=True),
        "": lambda stream: None,
    }[act]
    for number in range(_STREAMS // 2):
        pair = {"port": str(port), "requestid": str(number)}
        streams = [client.open({"streamtype": each, **pair}) for each in ("error", kind)]
        for stream in streams:
            end(stream)
    return b"".join(client.outgoing())


def _text(found: dict[str, dict[str, float]]) -> str:
    lines = [
        f"{'Version, while clients flood by':<36}{'p50':>8}{'p95':>8}{'most':>8}  ms, sessions"
    ]
    lines += [
        f"  {name:<34}{of['p50_ms']:>8}{of['p95_ms']:>8}{of['most_ms']:>8}{of['sessions']:>14}"
        for name, of in found.items()
    ]
    return "\n".join([*lines, f"aim: below {AIM_MS} ms"])


if __name__ == "__main__":
    sys.exit(main())
