"""Finds an image: the registries and mirrors in order, then the manifest for this machine."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cri_shim.registry import documents, platforms
from cri_shim.registry.answers import body, network_failure
from cri_shim.registry.connections import NetworkError
from cri_shim.registry.documents import Document
from cri_shim.registry.events import Events
from cri_shim.registry.failure import Failure, together
from cri_shim.registry.reference import Reference
from cri_shim.registry.retry import MANIFEST_TRIES, Backoff
from cri_shim.registry.session import Session

MAX_DEPTH = 4  # of indexes in indexes
MAX_DOCUMENTS = 16  # that are read for one image
_SLOW = 10  # times the patience: for a small answer that comes byte by byte


@dataclass(frozen=True, slots=True)
class Image:
    reference: Reference
    digest: str  # of what the name stands for
    index: bytes  # b"" if the name stands for a manifest
    manifest: bytes
    config: bytes
    manifest_digest: str
    sessions: Sequence[Session]  # to fetch blobs from, in this order


class Resolver:
    def __init__(
        self,
        events: Events,
        architecture: str,
        variants: Sequence[str],
        patience: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._events = events
        self._architecture = architecture
        self._variants = variants
        self._patience = patience
        self._sleep = sleep
        self._last: Session | None = None  # the server after which there is no other

    def image(
        self, references: Sequence[Reference], sessions: Callable[[Reference], list[Session]]
    ) -> Image:
        """Return the first image that exists; Failure with the last one's kind if none does."""
        failures = []
        for reference in references:
            try:
                return self._at_endpoints(reference, sessions(reference))
            except Failure as e:
                failures.append(e)
                if e.kind == "argument":
                    break
        raise together(failures, "before that")

    def _at_endpoints(self, reference: Reference, sessions: list[Session]) -> Image:
        failures = []
        self._last = sessions[-1] if sessions else None
        for session in sessions:
            try:
                return self._at(session, reference, sessions)
            except Failure as e:
                failures.append(e)
        raise together(failures, "mirrors failed before")

    def _at(self, session: Session, reference: Reference, sessions: list[Session]) -> Image:
        name = reference.digest or reference.tag
        what = f"{session.endpoint.path}{'@' if reference.digest else ':'}{name}"
        top = self._document(session, name, what, reference.digest)
        manifest, config = self._usable(session, top, what)
        others = [other for other in sessions if other is not session]
        return Image(
            reference,
            top.digest,
            top.data if top.is_index else b"",
            manifest.data,
            config,
            manifest.digest,
            [session, *others],
        )

    def _usable(self, session: Session, top: Document, what: str) -> tuple[Document, bytes]:
        """Return the manifest for this machine below `top`, and its config."""
        if not top.is_index:
            return top, self._config(session, top, what)
        shown = _full(session, what)
        tried = 0
        offered: list[Mapping[str, Any]] = []
        waiting = [(1, top)]
        while waiting:
            depth, index = waiting.pop(0)
            listed = documents.entries(index, shown)
            offered += listed
            for entry in platforms.choices(listed, self._architecture, self._variants):
                tried += 1
                if tried > MAX_DOCUMENTS or depth > MAX_DEPTH:
                    raise Failure(
                        "invalid",
                        f"{shown} is an index with more than {MAX_DOCUMENTS} documents to look at,"
                        f" or deeper than {MAX_DEPTH} levels",
                    )
                found = self._entry(session, entry, what)
                if found.is_index:
                    waiting.append((depth + 1, found))
                    continue
                config = self._config(session, found, what)
                if _names_platform(entry) or platforms.fits(
                    config, self._architecture, self._variants
                ):
                    return found, config
        own = f"linux/{self._architecture}"
        raise Failure(
            "not_found",
            f"{shown} has no image for {own}, this machine; it has: {platforms.described(offered)}",
        )

    def _entry(self, session: Session, entry: Mapping[str, Any], what: str) -> Document:
        shown = _full(session, what)
        described = documents.descriptor(entry, f"an entry of {shown}", documents.MAX_INDEX)
        if described.data is not None:
            return documents.parse(described.data, str(entry.get("mediaType") or ""), shown)
        return self._document(session, described.digest, what, described.digest)

    def _document(self, session: Session, name: str, what: str, digest: str) -> Document:
        """Return a manifest or index by tag or digest; `digest` is what it has to have, or ""."""
        headers = {"Accept": documents.ACCEPT}
        data, answered = self._read(
            session, f"manifests/{name}", headers, what, documents.MAX_INDEX
        )
        expected = digest or answered.get("Docker-Content-Digest", "")
        if expected.startswith("sha256:") and documents.digest_of(data) != expected:
            raise Failure(
                "invalid",
                f"{session.endpoint.host}: the manifest of {what} has the digest"
                f" {documents.digest_of(data)}, not {expected}: it was damaged on the way, or"
                " changed",
            )
        return documents.parse(data, answered.get("Content-Type", ""), _full(session, what))

    def _config(self, session: Session, manifest: Document, what: str) -> bytes:
        described = documents.config(manifest, _full(session, what))
        if described.data is not None:
            return described.data
        if described.digest == documents.digest_of(documents.EMPTY):
            return documents.EMPTY
        config = f"config {described.digest} of {what}"
        data, _ = self._read(
            session, f"blobs/{described.digest}", {}, config, documents.MAX_MANIFEST
        )
        if (digest := documents.digest_of(data)) != described.digest:
            text = f"{session.endpoint.host}: {config} came with the digest {digest}"
            raise Failure("invalid", text)
        return data

    def _read(
        self, session: Session, path: str, headers: Mapping[str, str], what: str, limit: int
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers; what may pass is tried again.

        A server that cannot be reached is left for the next one at once. If it is the last one and
        refuses the connection, it is tried again: it may be starting.
        """
        backoff = Backoff(MANIFEST_TRIES)
        while True:
            try:
                answer = session.get(path, headers, what)
                return body(answer, limit, self._patience * _SLOW), answer.headers
            except NetworkError as e:
                found = network_failure(e, session.endpoint.host, what, self._patience)
            except ValueError as e:
                text = f"{session.endpoint.host}: the answer for {what} {e}"
                raise Failure("invalid", text) from None
            except Failure as e:
                found = e
            waits = found.reached or (found.refused and session is self._last)
            wait = backoff.next(found.wait) if found.passing and waits else None
            if wait is None:
                raise found
            self._events.retry("", session.endpoint.host, backoff.attempt, found, wait)
            self._sleep(wait)


def _full(session: Session, what: str) -> str:
    """Return the name of an image at a server, for errors in its content."""
    return f"{session.endpoint.host}/{what}"


def _names_platform(entry: Mapping[str, Any]) -> bool:
    platform = entry.get("platform")
    return isinstance(platform, dict) and bool(platform.get("architecture"))
