"""The files of timelines: bounded in number and size, and robust against what is in them."""

import os
from pathlib import Path

import pytest

from cri_shim.timeline import files
from cri_shim.timeline.files import MOST_BYTES, Files
from tests.unit.timeline.made import POD_ID, entry


def id_of(number: int) -> str:
    return f"{number:064x}"


def begins(made: Files, id: str = POD_ID) -> list[float]:
    return [each.begin for each in made.entries(id)]


def test_entries_survive_and_new_ones_follow_them(tmp_path: Path) -> None:
    Files(tmp_path / "t").append(POD_ID, [entry(begin=1.0), entry(begin=2.0)])
    again = Files(tmp_path / "t")
    again.append(POD_ID, [entry(begin=3.0)])
    assert begins(again) == [1.0, 2.0, 3.0]
    assert (tmp_path / "t").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "t" / POD_ID).stat().st_mode & 0o777 == 0o600


def test_a_pod_without_a_file_has_no_entries(tmp_path: Path) -> None:
    assert begins(Files(tmp_path / "none")) == []


def test_only_a_pod_with_an_id_has_a_file(tmp_path: Path) -> None:
    made = Files(tmp_path / "t")
    for name in ("", "..", "../x", "a/b", "A" * 64, "a" * 65):
        made.append(name, [entry()])
        assert begins(made, name) == []
    assert not (tmp_path / "t").exists()


def test_a_torn_write_costs_only_its_own_line(tmp_path: Path) -> None:
    made = Files(tmp_path)
    made.append(POD_ID, [entry(begin=1.0), entry(begin=2.0)])
    path = tmp_path / POD_ID
    path.write_bytes(path.read_bytes()[:-20])
    made.append(POD_ID, [entry(begin=3.0)])
    assert begins(made) == [1.0, 3.0]


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"\xff\n\n[]\nnull\n7\n", b"x" * 99_999])
def test_a_file_of_anything_is_no_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / POD_ID).write_bytes(content)
    made = Files(tmp_path)
    assert begins(made) == []
    made.append(POD_ID, [entry(begin=3.0)])
    assert begins(made) == [3.0]


def test_a_full_file_keeps_the_first_and_the_newest_entries(tmp_path: Path) -> None:
    made = Files(tmp_path)
    for n in range(1000):
        made.append(POD_ID, [entry(begin=float(n))])
        assert (tmp_path / POD_ID).stat().st_size <= MOST_BYTES
    found = begins(made)
    assert found[:3] == [0.0, 1.0, 2.0]
    assert found[-3:] == [997.0, 998.0, 999.0]
    assert found == sorted(set(found))
    assert len(found) > 50


def test_entries_of_any_size_at_once_stay_within_the_limit(tmp_path: Path) -> None:
    made = Files(tmp_path)
    made.append(POD_ID, [entry(begin=float(n), failure="é" * 240) for n in range(2000)])
    assert (tmp_path / POD_ID).stat().st_size <= MOST_BYTES
    assert begins(made)[0] == 0.0
    assert begins(made)[-1] == 1999.0


def test_only_the_last_pods_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_PODS", 3)
    made = Files(tmp_path)
    for n in (1, 2, 3, 1, 4):
        made.append(id_of(n), [entry()])
    assert made.ids() == [id_of(4), id_of(1), id_of(3)]
    assert {path.name for path in tmp_path.iterdir()} == set(made.ids())


def test_a_new_daemon_goes_on_with_the_order_of_the_last_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_PODS", 2)
    for n, at in ((1, 30), (2, 10), (3, 20)):
        (tmp_path / id_of(n)).touch()
        os.utime(tmp_path / id_of(n), (at, at))
    (tmp_path / "other").touch()
    (tmp_path / f".{id_of(9)}").touch()
    made = Files(tmp_path)
    made.append(id_of(4), [entry()])
    assert made.ids() == [id_of(4), id_of(1)]
    assert {path.name for path in tmp_path.iterdir()} == {id_of(1), id_of(4), "other"}


def test_a_directory_that_was_removed_is_made_again(tmp_path: Path) -> None:
    made = Files(tmp_path / "t")
    made.append(POD_ID, [entry(begin=1.0)])
    (tmp_path / "t" / POD_ID).unlink()
    (tmp_path / "t").rmdir()
    made.append(POD_ID, [entry(begin=2.0)])
    assert begins(made) == [2.0]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"")
    (tmp_path / POD_ID).symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        Files(tmp_path).append(POD_ID, [entry()])
    assert (tmp_path / "victim").read_bytes() == b""
