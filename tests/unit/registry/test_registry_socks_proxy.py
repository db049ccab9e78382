"""A SOCKS proxy needs a package that a node may lack."""

import pytest

from cri_shim.registry import sentences, socks_proxy
from cri_shim.registry.connections import Connections, Unreachable
from cri_shim.registry.endpoint import Tls


def refusal(proxy: str) -> Unreachable:
    connections = Connections({"http_proxy": proxy}, 5, 1)
    with pytest.raises(Unreachable) as refused:
        connections.send("GET", "http://far.invalid/v2/", {}, tls=Tls())
    return refused.value


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(socks_proxy, "find_spec", lambda _: None)

    error = refusal(f"{scheme}://user:secret@127.0.0.1:1")

    cause, remedy = sentences.broken("far.invalid", error, "x", 5)
    assert cause == (
        f"far.invalid: the proxy speaks {scheme}, for which the package PySocks is missing: install"
        " it (python3-socks on Debian), or use a proxy of http"
    )
    assert remedy == "check HTTPS_PROXY and NO_PROXY of the daemon"


def test_another_kind_of_proxy_is_named() -> None:
    assert str(refusal("socks4://127.0.0.1:1")) == "the proxy is of the unknown kind 'socks4'"
