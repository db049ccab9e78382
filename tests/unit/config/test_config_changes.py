"""What a reload changes, and what it only reports."""

from pathlib import Path

from cri_shim.config import Config, Places, load
from cri_shim.config.changes import changes, merged
from cri_shim.config.keys import When
from cri_shim.config.schema import KEYS, current

NOWHERE = Places(own=Path("/nowhere"), drop_ins=Path("/nowhere"), libpod=())


def _loaded(file: Path, text: str, **flags: str) -> Config:
    file.write_text(text)
    return load(file, flags, NOWHERE)


def test_the_same_file_changes_nothing(tmp_path: Path) -> None:
    one = _loaded(tmp_path / "c.toml", "max_log_size = 7")
    assert changes(one, _loaded(tmp_path / "c.toml", "max_log_size = 7")) == ()


def test_a_live_key_changes_and_a_restart_key_is_only_reported(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    before = _loaded(file, "")
    after = _loaded(file, 'max_log_size = 7\nstate = "memory"\ndefault_sysctls = ["a.b=1"]')
    found = {change.key: (change.when, change.applied) for change in changes(before, after)}
    assert found == {
        "max_log_size": (When.LIVE, True),
        "state": (When.RESTART, False),
        "default_sysctls": (When.NEXT_POD, True),
    }
    runs = merged(before, after)
    assert (runs.max_log_size, runs.state, runs.default_sysctls) == (7, "leveldb", ("a.b=1",))
    assert runs.origin["max_log_size"] == f"{file}:1"
    assert runs.origin["state"] == "default"


def test_a_restart_key_is_reported_again_by_the_next_reload(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    runs = _loaded(file, "")
    wanted = _loaded(file, "[streaming]\nport = 99")
    runs = merged(runs, wanted)
    assert [change.key for change in changes(runs, wanted)] == ["streaming.port"]


def test_a_live_key_of_a_table_changes_alone(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    before = _loaded(file, "")
    wanted = _loaded(file, "[streaming]\nport = 99\nmax_sessions = 3")
    runs = merged(before, wanted)
    assert (runs.streaming.port, runs.streaming.max_sessions) == (0, 3)


def test_handlers_are_added_changed_and_removed(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    before = _loaded(file, '[runtimes.youki]\npath = "/bin/a"\n[runtimes.old]\npath = "/bin/o"')
    after = _loaded(file, '[runtimes.youki]\npath = "/bin/b"\n[runtimes.new]\npath = "/bin/n"')
    found = {change.key: (change.before, change.after) for change in changes(before, after)}
    assert found == {
        "runtimes.youki.path": (("/bin/a",), ("/bin/b",)),
        "runtimes.old.path": (("/bin/o",), None),
        "runtimes.new.path": (None, ("/bin/n",)),
    }
    assert "old" not in merged(before, after).runtimes


def test_every_key_keeps_its_running_value_or_takes_the_new_one(tmp_path: Path) -> None:
    running, wanted = Config(), _loaded(tmp_path / "c.toml", "")
    runs = merged(running, wanted)
    assert [k.name for k in KEYS.values() if current(runs, k) != current(wanted, k)] == []


def test_flags_keep_their_precedence(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    before = _loaded(file, "max_log_size = 7", max_log_size="5")
    after = _loaded(file, "max_log_size = 8", max_log_size="5")
    assert changes(before, after) == ()
