"""Records of a daemon that does not run, to be spoilt."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from google.protobuf.message import Message

from cri_shim.state.leveldb import LevelStore
from tests.fixtures.daemon import Daemon

M = TypeVar("M", bound=Message)


@contextmanager
def opened(daemon: Daemon) -> Iterator[LevelStore]:
    """The daemon must be dead: its state belongs to one process."""
    store = LevelStore(daemon.root / "state")
    try:
        yield store
    finally:
        store.close()


def read(store: LevelStore, kind: str, id: str, type_: type[M]) -> M:
    value = store.get(kind, id)
    assert value is not None
    return type_.FromString(value)
