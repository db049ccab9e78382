"""HTTP requests by urllib3: one at a time, without its retries and redirects.

A failure of the network is one of four exceptions, whose texts are safe to show. Connections are
kept and used again, also by several threads.
"""

import errno
import socket
import ssl
import threading
import warnings
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3._version import __version__ as URLLIB3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from cri_shim.registry.endpoint import Tls
from cri_shim.registry.proxies import SOCKS, proxy_for
from cri_shim.untrusted import printable, reason

CONNECT_TIMEOUT_S = 30.0
CHUNK = 1 << 20  # bytes, the most that one read returns
_RETRIES = urllib3.Retry(total=False, redirect=False)


class NetworkError(Exception):
    """The connection was cut."""


class Unreachable(NetworkError):
    """There is no connection; `why`: name, refused, time, route, proxy, or "" for other reasons."""

    def __init__(self, text: str, why: str = "") -> None:
        super().__init__(text)
        self.why = why


class TlsFailed(NetworkError):
    """TLS does not work with this server.

    `why`: it speaks HTTP ("plain"), or its certificate is refused for its authority, its name or
    its time; "" for other reasons.
    """

    def __init__(self, text: str, why: str = "") -> None:
        super().__init__(text)
        self.why = why


class Stalled(NetworkError):
    """No byte came for the whole patience."""


class Answer:
    """The head of an answer, and its body to be read. `close` it, or read it to the end."""

    def __init__(self, response: Any, url: str) -> None:
        self._response = response
        self.url = url
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers

    def all(self, header: str) -> list[str]:
        """Return the values of all headers of this name."""
        return list(self._response.headers.getlist(header))

    def read(self) -> bytes:
        """Return what has come of the body, at most CHUNK bytes; b"" at its end."""
        try:
            data: bytes = self._response._fp.read1(CHUNK)
        except TimeoutError:
            self.close()
            raise Stalled("no byte came") from None
        except (OSError, HTTPException, ValueError, AttributeError) as e:
            self.close()
            raise NetworkError(_words(e)) from e
        if not data:
            self._response._fp.close()
            self._response.release_conn()
        return data

    def close(self) -> None:
        """Close the connection, which may be in the middle of the body."""
        self._response.close()

    def abort(self) -> None:
        """End a `read` in another thread."""
        try:
            sock = getattr(self._response.connection, "sock", None)
            if sock is not None:
                sock.shutdown(2)
        except OSError:
            pass  # it ended by itself


class Connections:
    """`environ` has the proxies; `patience`: seconds without a byte until Stalled, 0: forever."""

    def __init__(self, environ: Mapping[str, str], patience: float, threads: int) -> None:
        self._environ = environ
        self._timeout = urllib3.Timeout(
            connect=min(CONNECT_TIMEOUT_S, patience or CONNECT_TIMEOUT_S), read=patience or None
        )
        self._threads = threads
        self._lock = threading.Lock()
        self._pools: dict[tuple[object, ...], Any] = {}
        warnings.simplefilter("ignore")  # urllib3 warns of each request that is configured insecure

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        tls: Tls,
        socket: str = "",
        body: bytes | None = None,
    ) -> Answer:
        """Send a request and return the answer's head; NetworkError if that fails."""
        try:
            response = self._pool(url, tls, socket).request(
                method,
                url,
                body=body,
                headers=dict(headers),
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=_RETRIES,
                timeout=self._timeout,
            )
        except HTTPError as e:
            raise _translated(e) from e
        except (OSError, HTTPException, ValueError) as e:
            raise NetworkError(_words(e)) from e
        return Answer(response, url)

    def _pool(self, url: str, tls: Tls, socket: str) -> Any:
        proxy = "" if socket else proxy_for(url, self._environ)
        key = (socket, proxy, tls if url.startswith("https:") else None)
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._new_pool(*key)
            return self._pools[key]

    def _new_pool(self, socket: str, proxy: str, tls: Tls | None) -> Any:
        options: dict[str, Any] = {"maxsize": self._threads + 1}
        if socket:
            from cri_shim.registry.unix_socket import UnixSocketPool

            return UnixSocketPool(socket, **options)
        if tls is not None:
            options["ssl_context"] = context(tls)
            options["cert_reqs"] = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
        if not proxy:
            return urllib3.PoolManager(**options)
        parts = urlsplit(proxy)
        if parts.scheme in SOCKS and parts.hostname:
            from cri_shim.registry import socks_proxy

            return socks_proxy.pool(parts, **options)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            kind = printable(parts.scheme, 20)
            raise Unreachable(f"the proxy is of the unknown kind {kind!r}", "proxy")
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=login)
        address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        return urllib3.ProxyManager(address, **options)


def context(tls: Tls) -> ssl.SSLContext:
    """Return the TLS context; Unreachable if a file of it cannot be used."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not tls.verify:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    else:
        # urllib3 1 compares the name itself: of an address it does not tell the context.
        made.check_hostname = not URLLIB3.startswith("1.")
        made.load_default_certs()
    file = ""
    try:
        for file in tls.authorities if tls.verify else ():
            made.load_verify_locations(file)
        for file, key in tls.pairs:
            made.load_cert_chain(file, key or None, password=_no_password)
    except (OSError, ValueError) as e:
        raise TlsFailed(printable(f"cannot use {file}: {reason(e)}")) from e
    return made


def _no_password() -> str:
    """Refuse a key with a password; OpenSSL would ask for it at the terminal."""
    raise ValueError("the key has a password")


def _translated(error: HTTPError) -> NetworkError:
    root = _root(error)
    if isinstance(error, ProxyError):
        return Unreachable(f"the proxy failed: {_words(root)}", "proxy")
    if isinstance(error, SSLError):
        return TlsFailed(_words(root), _why_tls(root))
    if isinstance(error, NewConnectionError):
        if isinstance(root, socket.gaierror):
            return Unreachable(f"its address is not found: {_words(root)}", "name")
        return Unreachable(_words(root), _WHY.get(getattr(root, "errno", None) or 0, ""))
    if isinstance(error, ConnectTimeoutError):
        return Unreachable("no connection within the time limit", "time")
    if isinstance(error, ReadTimeoutError):
        return Stalled("no byte came")
    return NetworkError(_words(root))


_WHY = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "time",
    errno.ENETUNREACH: "route",
    errno.EHOSTUNREACH: "route",
}
_PLAIN = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL"}
# OpenSSL's X509_V_ERR_*: https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
_AUTHORITY = {2, 18, 19, 20, 21, 24, 27}
_TIME, _NAME = {9, 10}, {62, 64}


def _why_tls(root: BaseException) -> str:
    if isinstance(root, ssl.SSLCertVerificationError):
        code = root.verify_code
        if code in _AUTHORITY:
            return "authority"
        return "time" if code in _TIME else "name" if code in _NAME else ""
    if isinstance(root, ssl.SSLError):
        return "plain" if root.reason in _PLAIN else ""
    return "name" if type(root).__name__ == "CertificateError" else ""


def _root(error: BaseException) -> BaseException:
    """Return the error of the system or of TLS that another one is made from."""
    found = error
    while True:
        inner = found.__cause__ or found.__context__
        if inner is None:
            inner = next((a for a in found.args if isinstance(a, BaseException)), None)
        if inner is None:
            break
        found = inner
    return found


def _words(error: BaseException) -> str:
    """Return the words at the root of an error."""
    found = _root(error)
    if isinstance(found, ssl.SSLCertVerificationError):
        return printable(found.verify_message.rstrip("."))
    if isinstance(found, ssl.SSLError) and found.reason:
        return printable(found.reason.lower().replace("_", " "))
    if isinstance(found, OSError) and found.strerror:
        return printable(found.strerror)
    return printable(str(found) or type(found).__name__)
