"""HTTP requests by urllib3: one at a time, without its retries and redirects.

A failure of the network is one of four exceptions, whose texts are safe to show. Connections are
kept and used again, also by several threads.
"""

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
from cri_shim.registry.proxies import proxy_for
from cri_shim.untrusted import printable, reason

CONNECT_TIMEOUT_S = 30.0
CHUNK = 1 << 20  # bytes, the most that one read returns
_RETRIES = urllib3.Retry(total=False, redirect=False)


class NetworkError(Exception):
    """The connection was cut."""


class Unreachable(NetworkError):
    """There is no connection: no address, refused, no route, or the proxy failed."""


class TlsFailed(NetworkError):
    """TLS does not work with this server; `untrusted` if only its certificate is refused."""

    def __init__(self, text: str, *, untrusted: bool) -> None:
        super().__init__(text)
        self.untrusted = untrusted


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
    """`environ` has the proxies; `patience`: seconds without a byte until Stalled, 0: for ever."""

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
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unreachable(f"the proxy is of the unknown kind {printable(parts.scheme, 20)!r}")
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
        raise TlsFailed(printable(f"cannot use {file}: {reason(e)}"), untrusted=False) from e
    return made


def _no_password() -> str:
    """Refuse a key with a password; OpenSSL would ask for it at the terminal."""
    raise ValueError("the key has a password")


def _translated(error: HTTPError) -> NetworkError:
    cause = error
    if isinstance(error, ProxyError):
        return Unreachable(f"the proxy failed: {_words(error)}")
    if isinstance(error, SSLError):
        return TlsFailed(_words(cause), untrusted="CERTIFICATE_VERIFY_FAILED" in str(error))
    if isinstance(error, NewConnectionError):
        return Unreachable(_words(error))
    if isinstance(error, ConnectTimeoutError):
        return Unreachable("no connection within the time limit")
    if isinstance(error, ReadTimeoutError):
        return Stalled("no byte came")
    return NetworkError(_words(error))


def _words(error: BaseException) -> str:
    """Return the words of the system or of TLS at the root of an error."""
    found: BaseException = error
    while True:
        inner = found.__cause__ or found.__context__
        if inner is None:
            inner = next((a for a in found.args if isinstance(a, BaseException)), None)
        if inner is None:
            break
        found = inner
    if isinstance(found, ssl.SSLCertVerificationError):
        return printable(f"certificate verify failed: {found.verify_message}")
    if isinstance(found, OSError) and found.strerror:
        return printable(found.strerror)
    return printable(str(found) or type(found).__name__)
