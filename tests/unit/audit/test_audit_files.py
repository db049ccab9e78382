"""The files of the audit record: rotation, a start after a death, a full disk; and the check."""

import errno
import json
import os
from pathlib import Path

import pytest

from cri_shim.audit.files import Files, rotated
from cri_shim.audit.verify import lines, verify


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "record.jsonl"


def opened(file: Path, max_size: int = 1 << 20, max_files: int = 3) -> Files:
    made = Files(file, max_size=max_size, max_files=max_files)
    made.append([made.open()])
    return made


def add(made: Files, count: int, text: str = "") -> None:
    for number in range(count):
        made.append([{"event": "x", "n": number, "text": text}])


def test_the_chain_goes_on_after_a_start(file: Path) -> None:
    one = opened(file)
    add(one, 3)
    one.close()
    two = opened(file)
    add(two, 2)
    two.close()
    verdict = verify(file)
    assert (verdict.problem, verdict.lines, verdict.first, verdict.last) == ("", 7, 1, two.last)
    assert file.stat().st_mode & 0o777 == 0o600


def test_full_files_are_rotated_and_the_oldest_is_deleted(file: Path) -> None:
    made = opened(file, max_size=2000, max_files=3)
    add(made, 60)
    made.close()
    assert rotated(file) == [Path(f"{file}.2"), Path(f"{file}.1")]
    verdict = verify(file)
    assert verdict.problem == ""
    assert verdict.first > 1
    assert verdict.last.seq == 61
    assert all(path.stat().st_size < 2600 for path in [file, *rotated(file)])


def test_a_death_right_after_a_rotation_loses_no_link(file: Path) -> None:
    made = opened(file)
    add(made, 3)
    made.close()
    file.rename(f"{file}.1")
    again = opened(file)
    again.close()
    assert (verify(file).problem, again.last.seq) == ("", 5)


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_a_line_that_a_death_has_torn_is_told_by_the_next_start(file: Path, kept: int) -> None:
    made = opened(file)
    add(made, 2)
    made.close()
    text = file.read_bytes()
    last = text[:-1].rfind(b"\n") + 1
    file.write_bytes(text[: last + kept] if kept > 0 else text[:-1])
    again = opened(file)
    add(again, 1)
    again.close()
    verdict = verify(file)
    whole = kept < 0  # only the newline was missing
    assert (verdict.problem, verdict.torn) == ("", 0 if whole else 1)
    start = [json.loads(line.data) for line in lines(file) if b'"torn"' in line.data]
    assert len(start) == (0 if whole else 1)


def test_a_torn_first_line_of_a_new_file_continues_the_rotated_one(file: Path) -> None:
    made = opened(file)
    add(made, 2)
    made.close()
    file.rename(f"{file}.1")
    file.write_bytes(b'{"seq":4,"ev')
    opened(file).close()
    assert (verify(file).problem, verify(file).last.seq) == ("", 4)


def test_a_file_that_cannot_be_continued_is_put_aside(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("something else\n")
    opened(file).close()
    assert Path(f"{file}.broken").read_text() == "something else\n"
    start = json.loads(file.read_text())
    assert (start["seq"], start["broken"]) == (1, f"{file}.broken")


def test_a_full_disk_tears_no_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened(file)
    real, room = os.write, [10]

    def write(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = real(fd, data[: room[0]])
        room[0] -= count
        return count

    monkeypatch.setattr("cri_shim.audit.files.os.write", write)
    with pytest.raises(OSError, match="No space left"):
        made.append([{"event": "x"}, {"event": "y"}])
    with pytest.raises(OSError, match="No space left"):
        made.append([])
    room[0] = 1 << 20
    made.append([])
    made.close()
    assert (verify(file).problem, verify(file).lines, verify(file).torn) == ("", 3, 0)


def _changed(text: bytes) -> bytes:
    return text.replace(b'"n":1', b'"n":7')


def _without_a_line(text: bytes) -> bytes:
    parts = text.splitlines(keepends=True)
    return b"".join(parts[:2] + parts[3:])


def _in_another_order(text: bytes) -> bytes:
    parts = text.splitlines(keepends=True)
    return b"".join([*parts[:2], parts[3], parts[2], *parts[4:]])


def _with_a_foreign_line(text: bytes) -> bytes:
    parts = text.splitlines(keepends=True)
    return b"".join([*parts[:2], b"{}\n", *parts[2:]])


@pytest.mark.parametrize(
    "harm", [_changed, _without_a_line, _in_another_order, _with_a_foreign_line]
)
def test_the_first_broken_line_is_named(file: Path, harm: object) -> None:
    made = opened(file)
    add(made, 4)
    made.close()
    file.write_bytes(harm(file.read_bytes()))  # type: ignore[operator]
    verdict = verify(file)
    assert verdict.problem.startswith(f"{file}:3: ")
    assert verdict.last.seq == 2


def test_the_loss_of_the_newest_lines_is_found_with_a_hash_kept_elsewhere(file: Path) -> None:
    made = opened(file)
    add(made, 4)
    made.close()
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-2]))
    assert verify(file).problem == ""
    assert "the newest lines are missing" in verify(file, made.last.hash).problem


def test_a_link_is_not_followed(file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    file.symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"):
        opened(file)


def test_a_record_that_does_not_exist_has_no_line(file: Path) -> None:
    assert (verify(file).lines, verify(file).problem) == (0, "")
