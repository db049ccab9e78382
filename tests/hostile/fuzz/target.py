"""A fuzz target: a name, initial inputs, and a function that takes one."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.hostile.fuzz import mutation

Run = Callable[[bytes], object]  # the result identifies the outcome
Mutate = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """`open` yields the function and cleans up after it. `allowed` are its own errors."""

    name: str
    corpus: Callable[[], Sequence[bytes]]
    open: Callable[[], AbstractContextManager[Run]]
    allowed: tuple[type[Exception], ...] = ()
    mutate: Mutate = mutation.of_bytes


def pure(run: Run) -> Callable[[], AbstractContextManager[Run]]:
    """For a function that needs nothing."""

    @contextmanager
    def opened() -> Iterator[Run]:
        yield run

    return opened
