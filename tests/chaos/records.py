"""Opens the records of a stopped daemon, so that a test can damage them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from google.protobuf.message import Message

from cri_shim.state.leveldb import LevelStore
from tests.fixtures.daemon import Daemon

M = TypeVar("M", bound=Message)


@contextmanager
def opened(daemon: Daemon) -> Iterator[LevelStore]:
    """Open the store; the daemon must be dead, because its state belongs to one process."""
    store = LevelStore(daemon.root / "state")
    try:
        yield store
    finally:
        store.close()


def read(store: LevelStore, kind: str, id: str, type_: type[M]) -> M:
    value = store.get(kind, id)
    assert value is not None
    return type_.FromString(value)
