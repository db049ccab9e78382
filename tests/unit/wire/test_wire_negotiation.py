"""Choosing the sub-protocol."""

import pytest

from cri_shim.wire import negotiation
from cri_shim.wire.negotiation import (
    SPDY_PORT_FORWARD,
    SPDY_REMOTE_COMMAND,
    WEBSOCKET_PORT_FORWARD,
    WEBSOCKET_REMOTE_COMMAND,
)


@pytest.mark.parametrize(
    ("lines", "supported", "chosen"),
    [
        pytest.param(
            [f"v{n}.channel.k8s.io" for n in (5, 4, 3, 2)] + ["channel.k8s.io"],
            SPDY_REMOTE_COMMAND,
            "v4.channel.k8s.io",
            id="kubectl over SPDY",
        ),
        pytest.param(
            ["v5.channel.k8s.io"],
            WEBSOCKET_REMOTE_COMMAND,
            "v5.channel.k8s.io",
            id="kubectl over WebSocket",
        ),
        pytest.param(
            ["channel.k8s.io, v4.channel.k8s.io"],
            SPDY_REMOTE_COMMAND,
            "channel.k8s.io",
            id="the client's order decides",
        ),
        pytest.param(
            ["x, ,", " v9 , v2.channel.k8s.io,", "channel.k8s.io"],
            SPDY_REMOTE_COMMAND,
            "v2.channel.k8s.io",
            id="lines and lists are merged",
        ),
        pytest.param(["portforward.k8s.io"], SPDY_PORT_FORWARD, "portforward.k8s.io", id="forward"),
        pytest.param(
            ["SPDY/3.1+portforward.k8s.io"],
            WEBSOCKET_PORT_FORWARD,
            "SPDY/3.1+portforward.k8s.io",
            id="the tunnel",
        ),
        pytest.param(["v5.channel.k8s.io"], SPDY_REMOTE_COMMAND, None, id="no v5 over SPDY"),
        pytest.param(["V4.channel.k8s.io"], SPDY_REMOTE_COMMAND, None, id="case counts"),
        pytest.param([], SPDY_REMOTE_COMMAND, None, id="no line"),
        pytest.param([","], SPDY_REMOTE_COMMAND, None, id="an empty list"),
    ],
)
def test_the_first_of_the_clients_that_the_server_knows_is_chosen(
    lines: list[str], supported: tuple[str, ...], chosen: str | None
):
    assert negotiation.choose(lines, supported) == chosen


def test_no_offer_differs_from_no_common_offer():
    assert negotiation.offers([]) == negotiation.offers(["", " , "]) == []
    assert negotiation.offers(["a,b", "c"]) == ["a", "b", "c"]


def test_the_number_of_offers_is_bounded():
    assert len(negotiation.offers([",".join("x" * 10_000)])) == 32
