"""The choice of the upgrade of a request: SPDY/3.1 or WebSocket, and the sub-protocol.

The first of the client's sub-protocols that the server supports is chosen. If there is none, the
answer is 403, as the clients expect: clients with a fallback then try their next transport.
"""

from dataclasses import dataclass
from typing import Literal

import h11
from wsproto.utilities import generate_accept_token

from cri_shim.wire import negotiation

Purpose = Literal["exec", "attach", "portforward"]
Transport = Literal["spdy", "websocket"]

SPDY = "SPDY/3.1"


@dataclass(frozen=True, slots=True)
class Agreed:
    """`protocol` is "" for a WebSocket client that names none. `headers` go into the 101."""

    transport: Transport
    protocol: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status with its text, and headers that list what the server accepts."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


def agree(request: h11.Request, purpose: Purpose) -> Agreed | Refusal:
    """Choose the answer to a request."""
    wanted = _joined(request, "upgrade").lower()
    if "upgrade" not in _joined(request, "connection").lower() or not wanted:
        return Refusal(400, "this address is for an upgrade to SPDY/3.1 or WebSocket")
    if "websocket" in wanted:
        return _websocket(request, purpose)
    if SPDY.lower() in wanted:
        return _spdy(request, purpose)
    return Refusal(400, f"cannot upgrade to {wanted[:80]!r}: only to SPDY/3.1 or WebSocket")


def _spdy(request: h11.Request, purpose: Purpose) -> Agreed | Refusal:
    served: tuple[str, ...] = negotiation.SPDY_REMOTE_COMMAND
    if purpose == "portforward":
        served = negotiation.SPDY_PORT_FORWARD
    offered = _lines(request, "x-stream-protocol-version")
    if not negotiation.offers(offered):
        return Refusal(400, "the header X-Stream-Protocol-Version is missing")
    chosen = negotiation.choose(offered, served)
    if chosen is None:
        accepted = tuple(("X-Accepted-Stream-Protocol-Versions", name) for name in served)
        return Refusal(403, _unknown(offered, served), accepted)
    return Agreed(
        "spdy",
        chosen,
        (("Connection", "Upgrade"), ("Upgrade", SPDY), ("X-Stream-Protocol-Version", chosen)),
    )


def _websocket(request: h11.Request, purpose: Purpose) -> Agreed | Refusal:
    served: tuple[str, ...] = negotiation.WEBSOCKET_REMOTE_COMMAND
    if purpose == "portforward":
        served = negotiation.WEBSOCKET_PORT_FORWARD
    if request.method != b"GET":
        return Refusal(405, "a WebSocket begins with GET", (("Allow", "GET"),))
    if _joined(request, "sec-websocket-version") != "13":
        return Refusal(426, "only version 13 of WebSocket", (("Sec-WebSocket-Version", "13"),))
    key = _joined(request, "sec-websocket-key")
    if not key:
        return Refusal(400, "the header Sec-WebSocket-Key is missing")
    offered = _lines(request, "sec-websocket-protocol")
    chosen = negotiation.choose(offered, served) if negotiation.offers(offered) else ""
    if chosen is None:
        return Refusal(403, _unknown(offered, served))
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
    headers.append(("Sec-WebSocket-Accept", generate_accept_token(key.encode()).decode()))
    if chosen:
        headers.append(("Sec-WebSocket-Protocol", chosen))
    return Agreed("websocket", chosen, tuple(headers))


def _unknown(offered: list[str], served: tuple[str, ...]) -> str:
    return f"none of {', '.join(offered)[:200]} is served; there are: {', '.join(served)}"


def _lines(request: h11.Request, name: str) -> list[str]:
    """Return the values of all lines of a header."""
    wanted = name.encode()
    return [value.decode("latin-1") for header, value in request.headers if header == wanted]


def _joined(request: h11.Request, name: str) -> str:
    return ",".join(_lines(request, name)).strip()
