"""Records of a state that another process has open are read from a copy; nothing changes."""

from pathlib import Path

from cri_shim.pb import state_pb2 as state
from cri_shim.state import unopened
from cri_shim.state.leveldb import LevelStore


def test_records_are_read_while_the_state_is_open(tmp_path: Path) -> None:
    store = LevelStore(tmp_path / "state")
    store.put("pod", "a", state.PodRecord(id="a").SerializeToString())
    store.put("container", "b", state.ContainerRecord(id="b").SerializeToString())
    store.put("container", "bad", b"\xff")
    before = sorted(path.name for path in (tmp_path / "state").iterdir())

    found = unopened.read(tmp_path / "state")

    assert [pod.id for pod in found.pods] == ["a"]
    assert [container.id for container in found.containers] == ["b"]
    assert (found.images, found.problem) == ((), "")
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == before
    store.close()


def test_a_state_that_is_not_there_has_no_records(tmp_path: Path) -> None:
    assert unopened.read(tmp_path / "state") == unopened.Records()
