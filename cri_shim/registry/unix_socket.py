"""HTTP to a registry on a unix socket."""

import socket
from typing import Any
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool


class _Connection(HTTPConnection):
    path = ""

    def _new_conn(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        timeout = self.timeout
        try:
            made.settimeout(timeout if isinstance(timeout, int | float) else None)
            made.connect(self.path)
        except OSError:
            made.close()
            raise
        return made


class UnixSocketPool:
    """Has the one method of a pool manager that is used."""

    def __init__(self, path: str, *, maxsize: int) -> None:
        kind = type("UnixConnection", (_Connection,), {"path": path})
        pool = type("UnixPool", (HTTPConnectionPool,), {"ConnectionCls": kind})
        self._pool: Any = pool("localhost", maxsize=maxsize)

    def request(self, method: str, url: str, **options: Any) -> Any:
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {"Host": parts.netloc, **options.pop("headers")}
        options.pop("redirect")
        return self._pool.urlopen(method, target, headers=headers, redirect=False, **options)
