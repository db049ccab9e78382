"""Each kind of store in turn: the registry promises the same over both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.state.leveldb import LevelStore
from cri_shim.state.memory import MemoryStore
from cri_shim.state.store import Store


@pytest.fixture(params=["memory", "leveldb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else LevelStore(tmp_path / "state")
    yield made
    made.close()
