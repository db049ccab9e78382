"""Which sub-protocol is spoken: the first of the client's list that the server knows.

Over SPDY the list is in X-Stream-Protocol-Version, over WebSocket in Sec-WebSocket-Protocol; both
may come as several lines, as comma lists, or mixed.
"""

from collections.abc import Iterable, Sequence

V1 = "channel.k8s.io"
V2 = "v2.channel.k8s.io"
V3 = "v3.channel.k8s.io"
V4 = "v4.channel.k8s.io"
V5 = "v5.channel.k8s.io"
V1_BASE64 = "base64.channel.k8s.io"
V4_BASE64 = "v4.base64.channel.k8s.io"
PORT_FORWARD = "portforward.k8s.io"
# A SPDY connection inside binary WebSocket messages, whose boundaries mean nothing; in it all is
# as over SPDY alone, without a second upgrade.
PORT_FORWARD_TUNNEL = "SPDY/3.1+portforward.k8s.io"

# What the server speaks; the client's order decides. Nobody offers v5 over SPDY as a server.
SPDY_REMOTE_COMMAND = (V4, V3, V2, V1)
SPDY_PORT_FORWARD = (PORT_FORWARD,)
WEBSOCKET_REMOTE_COMMAND = (V5, V4, V4_BASE64, V1, V1_BASE64)
WEBSOCKET_PORT_FORWARD = (PORT_FORWARD_TUNNEL, V4, V4_BASE64)

# Offers beyond this are not looked at; the clients make five at most.
_MAX_OFFERS = 32


def offers(lines: Iterable[str]) -> list[str]:
    """The client's list from all lines of the header, in its order, without empty members."""
    listed = (offer.strip() for line in lines for offer in line.split(","))
    return [offer for offer in listed if offer][:_MAX_OFFERS]


def choose(lines: Iterable[str], supported: Sequence[str]) -> str | None:
    """The protocol to speak; None if none is common. With no offer at all, see `offers`."""
    return next((offer for offer in offers(lines) if offer in supported), None)
