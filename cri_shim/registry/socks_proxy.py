"""A pool of connections through a SOCKS proxy; urllib3 needs the package PySocks for it."""

from importlib.util import find_spec
from typing import Any
from urllib.parse import SplitResult, unquote

from cri_shim.registry.connections import Unreachable

_PACKAGE = "socks"


def pool(proxy: SplitResult, **options: Any) -> Any:
    """Return the pool for a SOCKS5 proxy; Unreachable without PySocks.

    The proxy looks up the names of servers for both schemes, as for programs in Go.
    """
    if find_spec(_PACKAGE) is None:
        raise Unreachable(
            f"the proxy speaks {proxy.scheme}, for which the package PySocks is missing: install"
            " it (python3-socks on Debian), or use a proxy of http",
            "proxy",
        )
    from urllib3.contrib.socks import SOCKSProxyManager

    return SOCKSProxyManager(
        f"socks5h://{proxy.netloc.rpartition('@')[2]}",
        username=unquote(proxy.username) if proxy.username else None,
        password=unquote(proxy.password) if proxy.password else None,
        **options,
    )
