"""A server's certificate, loaded again when its files change, because they are rotated.

The streaming server checks the files when it issues a ticket: a client has no reason to connect
earlier. The server of the metrics checks them at each connection. A key that does not match the
certificate, as during a replacement, is tried again at the next check.
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
    """`oldest` is the oldest accepted version of TLS, a key of VERSIONS.

    `section` is the one of the configuration that names the files. With `client_authorities`, a
    file of certificates, clients must have a certificate of those.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        oldest: str = "1.2",
        *,
        section: str = "streaming",
        client_authorities: Path | None = None,
    ) -> None:
        self._files = certificate, key
        self._oldest = VERSIONS[oldest]
        self._section = section
        self._authorities = client_authorities
        self._stamp: _Stamp = ()
        self._context: ssl.SSLContext | None = None

    def load(self) -> ssl.SSLContext:
        """Return the context for the server. ConfigError if the files cannot be used."""
        try:
            self._stamp = self._look()
            self._context = self._fresh()
        except (OSError, ssl.SSLError) as e:
            names = " and ".join(map(str, self._all()))
            raise ConfigError(f"[{self._section}] cannot serve TLS with {names}: {e}") from e
        return self._context

    @property
    def context(self) -> ssl.SSLContext | None:
        """The context for new connections; None before `load`."""
        return self._context

    def refresh(self) -> None:
        """Use changed files for new connections; keep the old pair if the new one is not usable."""
        try:
            stamp = self._look()
            if stamp == self._stamp or self._context is None:
                return
            fresh = self._fresh()  # first: load_cert_chain may leave half a pair
            if self._authorities is None:
                self._load(self._context)
            else:
                self._context = fresh  # the old one would accept the old authorities, too
        except (OSError, ssl.SSLError) as e:
            _log.warning("[%s] the changed certificate is not used: %s", self._section, e)
            return
        self._stamp = stamp
        _log.info("[%s] the changed certificate is used", self._section)

    def _all(self) -> list[Path]:
        return [*self._files, *([self._authorities] if self._authorities else [])]

    def _fresh(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self._oldest
        context.options |= ssl.OP_NO_RENEGOTIATION  # a client could cause endless computing
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(*self._files, password=_no_password)
        if self._authorities is not None:
            context.load_verify_locations(self._authorities)
            context.verify_mode = ssl.CERT_REQUIRED

    def _look(self) -> _Stamp:
        files = self._all()
        found = [file.stat() for file in files]
        for file, entry in zip(files, found, strict=True):
            if not stat.S_ISREG(entry.st_mode):  # opening a FIFO would block the daemon
                raise OSError(errno.EINVAL, "is not a regular file", str(file))
        return tuple((entry.st_ino, entry.st_mtime_ns, entry.st_size) for entry in found)


def _no_password() -> str:
    """Refuse. Without a callback OpenSSL asks on the daemon's terminal, and waits."""
    raise OSError(errno.EINVAL, "the key is encrypted, and the daemon cannot ask for its password")
