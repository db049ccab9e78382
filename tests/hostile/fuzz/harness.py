"""Trying inputs on a target, within limits, until one breaks the property."""

import hashlib
import logging
import random
import re
import resource
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cri_shim.errors import CriShimError
from tests.hostile.fuzz.target import Run, Target

CPU_S = 3.0  # for one input
MEMORY = 1 << 30  # bytes of address space beyond what the process has before
MAX_SAID = 8192  # characters of an error
KEPT = 300  # inputs with a new outcome, beside the corpus


class TooSlow(BaseException):
    """An input took more than CPU_S seconds of CPU time."""


@dataclass(slots=True)
class Failure:
    """An input that broke the property, and how."""

    data: bytes
    number: int
    problem: str


class _Log(logging.Handler):
    """A record that is logged with a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        theirs = record.name.startswith("grpc.")  # what grpcio says of headers is its own
        if not theirs and record.exc_info and record.exc_info[0] is not None:
            lines = traceback.format_exception(*record.exc_info)
            self.found.append(f"logged: {record.getMessage()}\n{''.join(lines)}")


@dataclass(slots=True)
class Harness:
    target: Target
    seed: int
    tried: int = 0
    outcomes: set[str] = field(default_factory=set)

    def run(self, *, inputs: int, seconds: float) -> Failure | None:
        """Try so many inputs, or for so long: the first that fails, or None."""
        rng = random.Random(f"{self.target.name} {self.seed}")
        corpus = list(self.target.corpus())
        first, until = list(corpus), time.monotonic() + seconds
        with self._open() as attempt:
            while self.tried < inputs and time.monotonic() < until:
                if self.tried < len(first):
                    data = first[self.tried]
                else:
                    data = self.target.mutate(rng, rng.choice(corpus), corpus)
                new, problem = attempt(data)
                self.tried += 1
                if problem:
                    return Failure(data, self.tried, problem)
                if new and self.tried > len(first) and len(corpus) < len(first) + KEPT:
                    corpus.append(data)
        return None

    def once(self, data: bytes) -> Failure | None:
        """Try one input."""
        with self._open() as attempt:
            _, problem = attempt(data)
        return Failure(data, 1, problem) if problem else None

    @contextmanager
    def _open(self) -> "Iterator[Attempt]":
        log = _Log()
        logging.getLogger().addHandler(log)
        signal.signal(signal.SIGPROF, _too_slow)
        try:
            with self.target.open() as run, _memory():
                yield Attempt(self, run, log)
        finally:
            logging.getLogger().removeHandler(log)


@dataclass(frozen=True, slots=True)
class Attempt:
    harness: Harness
    run: Run
    log: _Log

    def __call__(self, data: bytes) -> tuple[bool, str]:
        """Whether the outcome is new, and the problem with it, "" if there is none."""
        signal.setitimer(signal.ITIMER_PROF, CPU_S)
        try:
            outcome, problem = f"returned {self.run(data)}", ""
        except self.harness.target.allowed as error:
            outcome, problem = _said(error)
        except TooSlow:
            outcome, problem = "", f"more than {CPU_S:g} s of CPU time"
        except MemoryError:
            outcome, problem = "", f"more than {MEMORY >> 20} MiB of memory"
        except Exception:
            outcome, problem = "", traceback.format_exc()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if self.log.found and not problem:
            problem = self.log.found[0]
        new = outcome not in self.harness.outcomes
        self.harness.outcomes.add(outcome)
        return new, problem


def _said(error: Exception) -> tuple[str, str]:
    """The kind of an error without its values, and the problem with its text."""
    text = str(error)
    kind = f"{type(error).__name__}: {re.sub(r'[0-9]+', '0', text)[:120]}"
    if not isinstance(error, CriShimError):
        return kind, ""  # the caller makes one line of it
    if len(text) > MAX_SAID:
        return kind, f"an error of {len(text)} characters: {text[:200]!r}"
    if not text.isprintable():
        return kind, f"an error that is not one printable line: {text[:2000]!r}"
    return kind, ""


def _too_slow(number: int, frame: object) -> None:
    raise TooSlow


@contextmanager
def _memory() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def kept(failure: Failure, target: Target, directory: Path) -> Path:
    """The failing input in a file of its own."""
    name = hashlib.sha256(failure.data).hexdigest()[:12]
    path = directory / f"fuzz-{target.name.replace(' ', '-')}-{name}"
    path.write_bytes(failure.data)
    return path
