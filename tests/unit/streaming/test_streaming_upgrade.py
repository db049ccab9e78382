"""Which requests are upgraded, to what, and how the others are answered."""

import h11
import pytest

from cri_shim.streaming.upgrade import Agreed, Refusal, agree

WEBSOCKET = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]
SPDY = [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1")]


def request(headers: list[tuple[str, str]], method: str = "GET") -> h11.Request:
    return h11.Request(method=method, target="/exec/x", headers=[("Host", "h"), *headers])


def offer(*names: str) -> list[tuple[str, str]]:
    return [*SPDY, *(("X-Stream-Protocol-Version", name) for name in names)]


def ws_offer(names: str) -> list[tuple[str, str]]:
    return [*WEBSOCKET, ("Sec-WebSocket-Protocol", names)]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["v4.channel.k8s.io"], "v4.channel.k8s.io"),
        (["v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io"], "v4.channel.k8s.io"),
        (["v9, v2.channel.k8s.io , channel.k8s.io"], "v2.channel.k8s.io"),
        (["channel.k8s.io"], "channel.k8s.io"),
    ],
)
def test_spdy_uses_the_first_common_protocol(offered, chosen):
    agreed = agree(request(offer(*offered), "POST"), "exec")
    assert agreed == Agreed(
        "spdy",
        chosen,
        (
            ("Connection", "Upgrade"),
            ("Upgrade", "SPDY/3.1"),
            ("X-Stream-Protocol-Version", chosen),
        ),
    )


def test_spdy_without_a_common_protocol_gets_the_supported_ones():
    refused = agree(request(offer("v9.channel.k8s.io")), "attach")
    assert isinstance(refused, Refusal)
    assert refused.status == 403
    accepted = [v for n, v in refused.headers if n == "X-Accepted-Stream-Protocol-Versions"]
    assert accepted[0] == "v4.channel.k8s.io"


@pytest.mark.parametrize(
    ("offered", "purpose", "chosen"),
    [
        ("v5.channel.k8s.io", "exec", "v5.channel.k8s.io"),
        ("v4.channel.k8s.io, v5.channel.k8s.io", "exec", "v4.channel.k8s.io"),
        ("v4.base64.channel.k8s.io", "attach", "v4.base64.channel.k8s.io"),
        ("base64.channel.k8s.io", "attach", "base64.channel.k8s.io"),
        ("SPDY/3.1+portforward.k8s.io", "portforward", "SPDY/3.1+portforward.k8s.io"),
        ("v4.channel.k8s.io", "portforward", "v4.channel.k8s.io"),
    ],
)
def test_websocket_uses_the_first_common_protocol(offered, purpose, chosen):
    agreed = agree(request(ws_offer(offered)), purpose)
    assert isinstance(agreed, Agreed)
    assert agreed.protocol == chosen
    assert ("Sec-WebSocket-Protocol", chosen) in agreed.headers
    assert ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") in agreed.headers


def test_a_websocket_client_may_name_no_protocol():
    agreed = agree(request(WEBSOCKET), "exec")
    assert isinstance(agreed, Agreed)
    assert agreed.protocol == ""
    assert "Sec-WebSocket-Protocol" not in dict(agreed.headers)


@pytest.mark.parametrize(
    ("headers", "method", "status"),
    [
        ([], "GET", 400),
        ([("Upgrade", "SPDY/3.1")], "POST", 400),
        ([("Connection", "keep-alive"), ("Upgrade", "SPDY/3.1")], "POST", 400),
        ([("Connection", "Upgrade"), ("Upgrade", "h2c")], "GET", 400),
        (SPDY, "POST", 400),
        (WEBSOCKET, "POST", 405),
        ([*WEBSOCKET[:2], ("Sec-WebSocket-Version", "8"), WEBSOCKET[3]], "GET", 426),
        (WEBSOCKET[:3], "GET", 400),
        (ws_offer("v6.channel.k8s.io"), "GET", 403),
    ],
)
def test_an_unsupported_upgrade_is_refused(headers, method, status):
    refused = agree(request(headers, method), "exec")
    assert isinstance(refused, Refusal)
    assert refused.status == status


def test_header_values_are_compared_without_regard_to_case():
    headers = [("connection", "keep-alive, UPGRADE"), ("upgrade", "spdy/3.1")]
    headers += offer("v4.channel.k8s.io")[2:]
    assert isinstance(agree(request(headers), "exec"), Agreed)
