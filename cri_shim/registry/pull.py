"""The pull of one image: sessions for its endpoints, and the downloads that the daemon orders."""

import base64
import os
import platform
import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from cri_shim.registry import certificates, credential_helper, credentials
from cri_shim.registry.auth_files import AuthFiles, places
from cri_shim.registry.connections import Connections
from cri_shim.registry.credentials import Credential
from cri_shim.registry.download import Download
from cri_shim.registry.endpoint import Endpoint
from cri_shim.registry.endpoints import endpoints
from cri_shim.registry.events import Events
from cri_shim.registry.failure import Failure
from cri_shim.registry.names import meanings
from cri_shim.registry.platforms import variants
from cri_shim.registry.reference import Reference
from cri_shim.registry.registries_conf import registries
from cri_shim.registry.request import Fetch, Request
from cri_shim.registry.resolving import Resolver
from cri_shim.registry.session import Session
from cri_shim.untrusted import read_file

PROGRESS_S = 0.1  # between two events of progress of a blob


class Pull:
    def __init__(self, request: Request, events: Events, environ: Mapping[str, str]) -> None:
        self._request = request
        self._events = events
        self._connections = Connections(environ, request.patience, request.layers_at_once)
        self._conf = registries(Path(request.registries_conf) if request.registries_conf else None)
        self._certs_dirs = certificates.directories(request.certs_dirs, environ)
        self._own = credentials.of_call(request.auth)
        self._files = AuthFiles(
            places(request.auth_file, environ),
            credential_helper.ask,
            self._conf.helpers,
            events.warning,
        )
        self._sessions: list[Session] = []
        self._queue: queue.SimpleQueue[Download] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._downloads: dict[str, Download] = {}

    def resolve(self) -> None:
        """Find the image and tell the daemon; Failure if there is none."""
        request = self._request
        resolver = Resolver(
            self._events,
            request.architecture,
            variants(request.architecture, platform.machine(), _cpuinfo()),
            request.patience,
        )
        image = resolver.image(meanings(request.image, self._conf), self._sessions_of)
        self._sessions = list(image.sessions)
        self._events.send(
            "image",
            reference=str(image.reference),
            digest=image.digest,
            manifest_digest=image.manifest_digest,
            host=image.sessions[0].endpoint.host,
            index=_encoded(image.index),
            manifest=_encoded(image.manifest),
            config=_encoded(image.config),
        )

    def work(self) -> None:
        """Download what is ordered, forever; several threads do."""
        while True:
            self._queue.get().run()

    def tell(self) -> None:
        """Tell the progress of the downloads from time to time, forever; one thread does.

        It is not told by the thread that downloads, which may wait for the next byte.
        """
        while True:
            time.sleep(PROGRESS_S)
            with self._lock:
                running = [one for one in self._downloads.values() if not one.ended.is_set()]
            for download in running:
                download.tell()

    def fetch(self, order: Fetch) -> None:
        """Start the download of a blob, unless it is under way."""
        if not self._sessions:
            raise Failure("argument", "a blob was ordered before the image was found")
        with self._lock:
            former = self._downloads.get(order.digest)
            if former is not None and not former.ended.is_set() and not former.is_cancelled:
                return
            download = Download(
                self._events,
                self._sessions,
                Path(self._request.blobs),
                order.digest,
                order.size,
                self._request.patience,
                after=former,
            )
            self._downloads[order.digest] = download
        self._queue.put(download)

    def cancel(self, digest: str) -> None:
        with self._lock:
            download = self._downloads.get(digest)
        if download is not None:
            download.cancel()

    def drop(self) -> None:
        """Delete the parts of all downloads that have not ended."""
        with self._lock:
            for download in self._downloads.values():
                if not download.ended.is_set():
                    download.drop()

    def _sessions_of(self, reference: Reference) -> list[Session]:
        found = endpoints(reference, self._conf, self._certs_dirs, self._request.hosts_dirs)
        return [self._session(endpoint, reference.registry) for endpoint in found]

    def _session(self, endpoint: Endpoint, logical: str) -> Session:
        address = str((self._request.auth or {}).get("server_address") or "")
        own = self._own if credentials.concerns(address, logical, endpoint) else None

        def find() -> Credential | None:
            return own or self._files.find(endpoint.registry, endpoint.path)

        def searched() -> str:
            return self._files.searched(endpoint.registry)

        session = Session(self._connections, endpoint, find, self._request.patience, searched)
        if own is not None and own.registry_token:
            session.set_token(own.registry_token)
        return session


def _cpuinfo() -> str:
    try:
        return read_file("/proc/cpuinfo", 16 << 20).decode(errors="replace")
    except (OSError, ValueError):
        return ""


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def environment() -> Mapping[str, str]:
    return dict(os.environ)
