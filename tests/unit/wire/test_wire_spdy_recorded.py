"""Recordings of client-go 0.37, byte for byte, and the events they lead to."""

import pytest

from cri_shim.wire.forward import Pair, Pairing
from cri_shim.wire.remotecommand import ResizeDecoder, Size
from cri_shim.wire.spdy import Connection, DataReceived, Event, GoneAway, StreamOpened

# kubectl exec -i -t, a terminal of 90x30, "hello" and the end of the input.
EXEC = bytes.fromhex(
    "80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a68"
    "00000000ffff"
    "800300010000001700000003000000000000c22e555c92929907000000ffff"
    "800300010000001900000005000000000000c22ac5565c92925f5a02000000ffff"
    "800300010000001800000007000000000000c22e57945a9c59950a000000ffff"
    "0000000700000019"
    "7b225769647468223a39302c22486569676874223a33307d0a"
    "000000030000000568656c6c6f"
    "0000000301000000"
)
# kubectl port-forward: one connection to port 80, "GET /" and its end, then the session's.
FORWARD = bytes.fromhex(
    "800300010000003d0000000100000000000078f9e3c6a7c202253a703a2b294a4dcc851625aca9a0808614"
    "cb45a024cc6461c0c0c0c0590489c44c50e2663400000000ffff"
    "0000000101000000"
    "800300010000001800000003000000000000c2aa15540a2512d209000000ffff"
    "0000000300000005474554202f"
    "0000000301000000"
    "80030007000000080000000000000000"
)


def heard(recording: bytes, step: int) -> list[Event]:
    """The events of a recording that comes in pieces of `step` bytes."""
    server = Connection()
    return [
        event
        for start in range(0, len(recording), step)
        for event in server.receive(recording[start : start + step])
    ]


def data(events: list[Event], stream: int) -> tuple[bytes, bool]:
    pieces = [e for e in events if isinstance(e, DataReceived) and e.stream == stream]
    return b"".join(piece.data for piece in pieces), any(piece.fin for piece in pieces)


@pytest.mark.parametrize("step", [1, 7, 64, 4096])
def test_an_exec_of_kubectl_is_read(step: int):
    events = heard(EXEC, step)

    opened = [(e.stream, e.headers) for e in events if isinstance(e, StreamOpened)]
    assert opened == [
        (1, {"streamtype": "error"}),
        (3, {"streamtype": "stdin"}),
        (5, {"streamtype": "stdout"}),
        (7, {"streamtype": "resize"}),
    ]
    assert data(events, 3) == (b"hello", True)
    assert ResizeDecoder().feed(data(events, 7)[0]) == [Size(90, 30)]


@pytest.mark.parametrize("step", [1, 7, 64, 4096])
def test_a_port_forward_of_kubectl_is_read(step: int):
    events = heard(FORWARD, step)

    pairing = Pairing()
    opened = [e for e in events if isinstance(e, StreamOpened)]
    pairs = [pairing.add(e.stream, e.headers, 0.0) for e in opened]
    assert pairs == [None, Pair(80, error=1, data=3)]
    assert data(events, 1) == (b"", True)
    assert data(events, 3) == (b"GET /", True)
    assert events[-1] == GoneAway(last_good=0, status=0)
