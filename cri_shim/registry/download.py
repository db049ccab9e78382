"""The download of one blob: tried again, continued, and from another mirror if one fails."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from cri_shim.registry import ranges
from cri_shim.registry.answers import network_failure
from cri_shim.registry.connections import Answer, NetworkError
from cri_shim.registry.events import Events
from cri_shim.registry.failure import Failure, together
from cri_shim.registry.part import Part
from cri_shim.registry.retry import BLOB_TRIES, Backoff
from cri_shim.registry.session import Session

_ENOUGH = 1 << 20  # bytes of progress that make a failure the first one again


class Cancelled(Exception):
    """The daemon does not want the blob any more."""


class Download:
    """`run` it in one thread; `cancel` it in another."""

    def __init__(
        self,
        events: Events,
        sessions: Sequence[Session],
        directory: Path,
        digest: str,
        size: int,
        patience: float,
        *,
        after: "Download | None" = None,
        tries: Callable[[], Backoff] = lambda: Backoff(BLOB_TRIES),
    ) -> None:
        self.digest = digest
        self.ended = threading.Event()
        self._events = events
        self._sessions = sessions
        self._directory = directory
        self._size = size
        self._patience = patience
        self._former = after
        self._tries = tries
        self._cancelled = threading.Event()
        self._answer: Answer | None = None
        self._part: Part | None = None
        self._told = -1  # bytes
        self._telling = threading.Lock()

    def cancel(self) -> None:
        self._cancelled.set()
        if (answer := self._answer) is not None:
            answer.abort()

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()

    def run(self) -> None:
        """Download the blob and tell its end; a cancelled download tells nothing."""
        if self._former is not None:
            self._former.ended.wait()  # it was cancelled, and its part has the same name
            self._former = None
        try:
            self._check_cancelled()
            part = self._part = Part(self._directory, self.digest)
            self.tell()
            self._from_any(part)
            self.tell()
            part.keep()
            self._events.send("whole", digest=self.digest)
        except Cancelled:
            self._discard()
        except Failure as e:
            self._discard()
            if not self._cancelled.is_set():
                self._events.failed(self.digest, e)
        finally:
            self.ended.set()

    def tell(self) -> None:
        """Tell the progress, unless it is not more than what was told before."""
        with self._telling:
            if (part := self._part) is not None and part.size > self._told:
                self._told = part.size
                self._events.send("blob", digest=self.digest, done=self._told)

    def drop(self) -> None:
        """Cancel, and delete the file at once: the process is about to end."""
        self.cancel()
        if self._part is not None:
            self._part.unlink()

    def _discard(self) -> None:
        with self._telling:
            self._told = self._size  # nothing more is told of it
        if self._part is not None:
            self._part.close()
            self._part.unlink()

    def _from_any(self, part: Part) -> None:
        failures: list[Failure] = []
        for session in self._sessions:
            if failures:
                self._events.send("host", digest=self.digest, host=session.endpoint.host)
            try:
                return self._from(session, part)
            except Failure as e:
                if e.kind == "no_space":
                    raise
                failures.append(e)
        raise together(failures, "before that")

    def _from(self, session: Session, part: Part) -> None:
        """Download from one server; Failure if it does not have the blob, or after all tries."""
        backoff = self._tries()
        while True:
            before = part.size
            try:
                self._continue(session, part)
                if part.is_verified():
                    return
                if before == 0:
                    raise self._damaged(session, part)
                self._restart(part)  # its pieces do not belong together
                continue
            except ranges.BeginAgain:
                if before == 0:
                    raise self._failure(session, "the answer is not the beginning") from None
                self._restart(part)
                continue
            except Failure as e:
                failure = e
            self._check_cancelled()
            if part.size - before >= _ENOUGH:
                backoff.reset()
            wait = backoff.next(failure.wait) if failure.passing else None
            if wait is None:
                raise failure
            host = session.endpoint.host
            self._events.retry(self.digest, host, backoff.attempt, failure, wait)
            self._cancelled.wait(wait)
            self._check_cancelled()

    def _continue(self, session: Session, part: Part) -> None:
        """Add the rest of the blob to the part."""
        if part.size == self._size and part.size:
            return
        what, host = self._what(session), session.endpoint.host
        at = part.size
        answer = session.get(f"blobs/{self.digest}", ranges.request(at), what, (200, 206, 416))
        self._answer = answer
        try:
            skip = ranges.to_skip(answer.status, answer.headers, at, self._size, f"{host}: {what}")
            self._receive(session, answer, part, skip)
        except NetworkError as e:
            raise network_failure(e, host, what, self._patience) from e
        except BaseException:
            answer.close()
            raise
        finally:
            self._answer = None

    def _receive(self, session: Session, answer: Answer, part: Part, skip: int) -> None:
        while data := answer.read():
            self._check_cancelled()
            if skip:
                skip, data = max(0, skip - len(data)), data[skip:]
            if part.size + len(data) > self._size:
                raise self._failure(session, f"more than its {self._size} bytes came")
            part.write(data)
        self._check_cancelled()
        if part.size < self._size:
            ended = NetworkError(f"it ended after {part.size} of {self._size} bytes")
            raise network_failure(ended, session.endpoint.host, self._what(session), self._patience)

    def _restart(self, part: Part) -> None:
        part.restart()
        self._events.send("restart", digest=self.digest)

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def _what(self, session: Session) -> str:
        return f"blob {self.digest} of {session.endpoint.path}"

    def _failure(self, session: Session, text: str) -> Failure:
        return Failure("invalid", f"{session.endpoint.host}: {self._what(session)}: {text}")

    def _damaged(self, session: Session, part: Part) -> Failure:
        found = self._failure(session, f"the received content has the digest {part.digest()}")
        self._restart(part)  # no byte of it may be continued elsewhere
        return found
