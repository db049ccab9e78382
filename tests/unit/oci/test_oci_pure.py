"""The parts of the OCI driver that only look at values and files."""

import os

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.linux.process import Stat
from cri_shim.oci import bundle, exits
from cri_shim.oci.conmon import LogLimits, terminal_flags
from cri_shim.oci.exits import Exit
from cri_shim.oci.handlers import Features, executable, parse_features
from cri_shim.oci.process_tree import family
from cri_shim.oci.sync_pipe import decode


@pytest.mark.parametrize(
    ("tty", "stdin", "once", "flags"),
    [
        (False, False, False, []),
        (False, False, True, []),
        (False, True, True, ["-i"]),
        (False, True, False, ["-i", "--leave-stdin-open"]),
        (True, False, False, ["-t"]),
        (True, True, False, ["-t"]),
        (True, True, True, ["-t"]),
    ],
)
def test_stdin_and_terminal_become_conmons_options(tty, stdin, once, flags):
    assert terminal_flags(tty=tty, stdin=stdin, stdin_once=once) == flags


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"pid": 7}\n', {"pid": 7}),
        ('{"pid": -1, "message": "a \x1f b"}\n{"more"', {"pid": -1, "message": "a \x1f b"}),
        ("", None),
        ("7\n", None),
        ("{torn", None),
    ],
)
def test_odd_messages_of_conmon_are_accepted(text, message):
    assert decode(text) == message


def test_an_exit_is_read_with_its_time(tmp_path):
    (tmp_path / "exit").write_text("3")
    os.utime(tmp_path / "exit", ns=(1, 1_700_000_000_123_456_789))
    read = exits.read("c1", tmp_path)
    assert read == Exit("c1", 3, 1_700_000_000_123_456_789, oom=False, known=True)


@pytest.mark.parametrize(("code", "oom"), [("137", True), ("0", False), ("1", False)])
def test_an_oom_mark_counts_if_the_init_was_killed(tmp_path, code, oom):
    (tmp_path / "exit").write_text(code)
    (tmp_path / "oom").touch()
    read = exits.read("c1", tmp_path)
    assert read is not None
    assert read.oom is oom


@pytest.mark.parametrize("content", ["", "torn?"])
def test_an_exit_file_without_a_number_is_none(tmp_path, content):
    (tmp_path / "exit").write_text(content)
    assert exits.read("c1", tmp_path) is None
    assert exits.read("c1", tmp_path / "absent") is None


def test_a_document_reads_back_as_written(tmp_path):
    document = {"process": {"env": ["PATH=/bin", "NOT_UTF8=\udcff", "UTF8=ü"]}}
    bundle.write(tmp_path, document)
    assert bundle.spec(tmp_path) == document
    assert b"NOT_UTF8=\xff" in (tmp_path / "config.json").read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


def test_features_come_from_the_runtime():
    assert parse_features({"mountOptions": ["ro", "rro"]}) == Features(rro=True)
    assert parse_features({"mountOptions": None}) == Features()
    assert parse_features({}) == Features()


def test_a_program_is_the_first_that_can_be_executed(tmp_path):
    names = [tmp_path / name for name in ("absent", "plain", "good", "other")]
    for name in names[1:]:
        name.touch(mode=0o644 if name.name == "plain" else 0o755)
    assert executable("tool", list(map(str, names))) == tmp_path / "good"


def test_a_missing_program_is_an_error_that_names_the_paths():
    with pytest.raises(ToolFailed, match="no conmon found; tried: /no/a, /no/b"):
        executable("conmon", ["/no/a", "/no/b"])
    with pytest.raises(ToolFailed, match="no path is configured"):
        executable("conmon", [])


def processes(*rows: tuple[int, int, int, int, str]) -> dict[int, Stat]:
    return {row[0]: Stat(*row) for row in rows}


def test_a_family_is_the_living_descendants_and_session_members():
    sessions = {100}
    found = family(
        processes(
            (100, 1, 100, 5, "S"),  # the client: left to reap
            (101, 100, 100, 5, "S"),
            (102, 101, 102, 5, "R"),  # a session of its own, and an orphan in it
            (103, 1, 102, 5, "S"),
            (104, 101, 102, 5, "Z"),
            (200, 1, 200, 5, "S"),
        ),
        100,
        sessions,
    )
    assert sorted(entry.pid for entry in found) == [101, 102, 103]
    assert sessions == {100, 102}


def test_our_own_session_is_never_part_of_a_family():
    ours = os.getsid(0)
    sessions = {ours}
    assert family(processes((7, 1, ours, 5, "S"), (8, 1, 0, 5, "S")), 0, sessions) == []


def test_limits_of_logs_are_options_of_conmon() -> None:
    assert LogLimits().options() == []
    assert LogLimits(-1, -1).options() == []
    assert LogLimits(5, 7).options() == ["--log-size-max=5", "--log-global-size-max=7"]
