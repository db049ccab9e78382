"""The server's certificate, loaded again when its files change, because they are rotated.

The files are checked when a ticket is issued: a client has no reason to connect earlier. A key that
does not match the certificate, as during a replacement, is tried again at the next check.
"""

import errno
import logging
import ssl
import stat
from pathlib import Path

from cri_shim.errors import ConfigError

_log = logging.getLogger(__name__)

_Stamp = tuple[tuple[int, int, int], ...]


VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Certificate:
    """`oldest` is the oldest accepted version of TLS, a key of VERSIONS."""

    def __init__(self, certificate: Path, key: Path, oldest: str = "1.2") -> None:
        self._files = certificate, key
        self._oldest = VERSIONS[oldest]
        self._stamp: _Stamp = ()
        self._context: ssl.SSLContext | None = None

    def load(self) -> ssl.SSLContext:
        """Return the context for the server. ConfigError if the files cannot be used."""
        try:
            self._stamp = self._look()
            self._context = self._fresh()
        except (OSError, ssl.SSLError) as e:
            names = " and ".join(map(str, self._files))
            raise ConfigError(f"[streaming] cannot serve TLS with {names}: {e}") from e
        return self._context

    def refresh(self) -> None:
        """Use changed files for new connections; keep the old pair if the new one is not usable."""
        try:
            stamp = self._look()
            if stamp == self._stamp or self._context is None:
                return
            self._fresh()  # try a new context first: load_cert_chain may leave half a pair
            self._context.load_cert_chain(*self._files, password=_no_password)
        except (OSError, ssl.SSLError) as e:
            _log.warning("the changed certificate of the streaming server is not used: %s", e)
            return
        self._stamp = stamp
        _log.info("the streaming server uses the changed certificate")

    def _fresh(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self._oldest
        context.options |= ssl.OP_NO_RENEGOTIATION  # a client could cause endless computing
        context.load_cert_chain(*self._files, password=_no_password)
        return context

    def _look(self) -> _Stamp:
        found = [file.stat() for file in self._files]
        for file, entry in zip(self._files, found, strict=True):
            if not stat.S_ISREG(entry.st_mode):  # opening a FIFO would block the daemon
                raise OSError(errno.EINVAL, "is not a regular file", str(file))
        return tuple((entry.st_ino, entry.st_mtime_ns, entry.st_size) for entry in found)


def _no_password() -> str:
    """Refuse. Without a callback OpenSSL asks on the daemon's terminal, and waits."""
    raise OSError(errno.EINVAL, "the key is encrypted, and the daemon cannot ask for its password")
