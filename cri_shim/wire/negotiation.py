"""The choice of the sub-protocol: the first of the client's list that the server supports.

Over SPDY the list is in X-Stream-Protocol-Version, over WebSocket in Sec-WebSocket-Protocol. Both
headers may have several lines, and each line may be a comma list.
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
# A SPDY connection inside binary WebSocket messages, whose boundaries have no meaning. It is the
# same as plain SPDY, without a second upgrade.
PORT_FORWARD_TUNNEL = "SPDY/3.1+portforward.k8s.io"

# What the server supports; the client's order decides. No server offers v5 over SPDY.
SPDY_REMOTE_COMMAND = (V4, V3, V2, V1)
SPDY_PORT_FORWARD = (PORT_FORWARD,)
WEBSOCKET_REMOTE_COMMAND = (V5, V4, V4_BASE64, V1, V1_BASE64)
WEBSOCKET_PORT_FORWARD = (PORT_FORWARD_TUNNEL, V4, V4_BASE64)

# Later offers are ignored; the clients make five at most.
_MAX_OFFERS = 32


def offers(lines: Iterable[str]) -> list[str]:
    """Return the client's list from all lines of the header, in order, without empty members."""
    listed = (offer.strip() for line in lines for offer in line.split(","))
    return [offer for offer in listed if offer][:_MAX_OFFERS]


def choose(lines: Iterable[str], supported: Sequence[str]) -> str | None:
    """Return the protocol to use; None if there is no common one. See `offers` for no offer."""
    return next((offer for offer in offers(lines) if offer in supported), None)
