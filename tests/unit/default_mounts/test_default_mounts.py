"""mounts.conf, and the copies of its sources."""

import os
from pathlib import Path
from typing import Any

import pytest

from cri_shim import default_mounts
from cri_shim.default_mounts import DefaultMounts, Line, parse
from cri_shim.errors import WrongState
from cri_shim.spec.mounts import ResolvedMount

ME = (os.getuid(), os.getgid())


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    source = tmp_path / "secrets"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "token").write_text("t")
    (source / "token").chmod(0o640)
    (source / "deep" / "er" / "key").write_text("k")
    return source


def prepare(tmp_path: Path, text: str, *covered: str, **fields: Any) -> list[ResolvedMount]:
    (tmp_path / "mounts.conf").write_text(text)
    (tmp_path / "bundle").mkdir(exist_ok=True)
    mounts = DefaultMounts([tmp_path / "mounts.conf"])
    known = {"root": ME, "label": "", **fields}
    return mounts.prepare(mounts.lines(), tmp_path / "bundle" / "d", covered, **known)


def test_lines_are_a_source_and_a_destination_or_one_path_for_both() -> None:
    text = "# comment\n\n/a:/b/\n  /usr/x  \n/c:/d:e\n"
    assert list(parse(text)) == [Line("/a", "/b"), Line("/usr/x", "/usr/x"), Line("/c", "/d:e")]


@pytest.mark.parametrize("line", ["a:/b", "/a:b", "/a:", "/a:/", ":/b", "nonsense", "/a:/.."])
def test_a_line_that_names_no_two_paths_is_a_problem(line: str) -> None:
    (only,) = parse(f"\n{line}")
    assert only.problem == f"line 2: {line!r} is not SRC:DST, two paths"


def test_everything_below_a_source_is_copied_with_its_modes(tmp_path: Path, secrets: Path) -> None:
    (mount,) = prepare(tmp_path, f"{secrets}:/run/secrets")
    copy = Path(mount.source)
    assert mount == ResolvedMount(f"{tmp_path}/bundle/d/0", "/run/secrets")
    assert (copy / "token").read_text() == "t"
    assert (copy / "deep" / "er" / "key").read_text() == "k"
    assert (copy / "token").stat().st_mode & 0o7777 == 0o640
    (copy / "token").write_text("changed")
    assert (secrets / "token").read_text() == "t"


def test_a_source_may_be_a_single_file(tmp_path: Path, secrets: Path) -> None:
    (mount,) = prepare(tmp_path, f"{secrets}/token:/etc/token")
    assert Path(mount.source).read_text() == "t"


def test_the_owner_is_the_root_of_the_container(tmp_path: Path, secrets: Path) -> None:
    (mount,) = prepare(tmp_path, f"{secrets}:/s", root=(100000, 100001))
    owners = {(p.stat().st_uid, p.stat().st_gid) for p in Path(mount.source).rglob("*")}
    assert owners == {(100000, 100001)}
    assert Path(mount.source).stat().st_uid == 100000


def test_a_missing_source_is_logged_once_and_left_out(
    tmp_path: Path, secrets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "mounts.conf"
    file.write_text(f"/no/such:/x\n{secrets}:/s\n")
    mounts = DefaultMounts([file])
    (tmp_path / "b").mkdir()
    first = mounts.prepare(mounts.lines(), tmp_path / "b" / "1", (), ME, "")
    second = mounts.prepare(mounts.lines(), tmp_path / "b" / "2", (), ME, "")
    assert [m.destination for m in first + second] == ["/s", "/s"]
    assert caplog.messages == [
        "default mount /no/such: does not exist, or is not a file or directory"
    ]


def test_a_wrong_line_is_logged_and_the_others_are_used(
    tmp_path: Path, secrets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (mount,) = prepare(tmp_path, f"wrong\n{secrets}:/s\n")
    assert mount.destination == "/s"
    assert caplog.messages == [
        f"default mounts: {tmp_path}/mounts.conf: line 1: 'wrong' is not SRC:DST, two paths"
    ]


def test_the_first_file_that_exists_is_the_only_one(tmp_path: Path, secrets: Path) -> None:
    for name in ("etc", "usr"):
        (tmp_path / name).write_text(f"{secrets}:/{name}\n")
    files = [tmp_path / "home", tmp_path / "etc", tmp_path / "usr"]
    mounts = DefaultMounts(files)
    assert [m.destination for m in mounts.prepare(mounts.lines(), tmp_path / "d", (), ME, "")] == [
        "/etc"
    ]
    (tmp_path / "etc").unlink()
    assert [m.destination for m in mounts.prepare(mounts.lines(), tmp_path / "e", (), ME, "")] == [
        "/usr"
    ]
    (tmp_path / "usr").unlink()
    assert mounts.prepare(mounts.lines(), tmp_path / "f", (), ME, "") == []
    assert not (tmp_path / "f").exists()


def test_a_requested_mount_at_or_above_the_destination_wins(tmp_path: Path, secrets: Path) -> None:
    text = f"{secrets}:/run/secrets\n{secrets}:/runner\n{secrets}:/etc/x\n"
    mounts = prepare(tmp_path, text, "/run", "/etc/x", "/runner/below")
    assert [mount.destination for mount in mounts] == ["/runner"]


def test_symlinks_are_followed_and_those_that_lead_nowhere_or_back_are_left_out(
    tmp_path: Path, secrets: Path
) -> None:
    (secrets / "link").symlink_to("/etc/hostname")
    (secrets / "gone").symlink_to("nowhere")
    (secrets / "self").symlink_to("self")
    (secrets / "deep" / "up").symlink_to("..")
    os.mkfifo(secrets / "fifo")
    (mount,) = prepare(tmp_path, f"{secrets}:/s")
    copy = Path(mount.source)
    names = sorted(str(p.relative_to(copy)) for p in copy.rglob("*"))
    assert names == ["deep", "deep/er", "deep/er/key", "link", "token"]
    assert not (copy / "link").is_symlink()


@pytest.mark.parametrize(("limit", "value"), [("MAX_BYTES", 1), ("MAX_ENTRIES", 3)])
def test_too_much_to_copy_is_an_error_that_names_the_line(
    tmp_path: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(default_mounts, limit, value)
    with pytest.raises(WrongState, match=rf"^default mount {secrets}:/s: more than"):
        prepare(tmp_path, f"{secrets}:/s")


def test_the_copies_bear_the_label_of_the_containers_files(tmp_path: Path, secrets: Path) -> None:
    label = "system_u:object_r:container_file_t:s0:c1,c2"
    (mount,) = prepare(tmp_path, f"{secrets}:/s", label=label)
    assert os.getxattr(f"{mount.source}/token", "security.selinux") == label.encode() + b"\0"
