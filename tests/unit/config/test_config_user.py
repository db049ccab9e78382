"""The user of the runtime, and the directories of an unprivileged user."""

import os
from pathlib import Path

import pytest

from cri_shim.config import Config, Places, load, user
from cri_shim.config.libpod import without_roots_places
from cri_shim.config.source import Entry
from cri_shim.errors import StateError

USER = 4711  # runs nothing here: root's directories replace the user's


@pytest.fixture
def login(tmp_path: Path) -> Path:
    (tmp_path / "login").mkdir()
    return tmp_path / "login"


def found(tmp_path: Path, **env: str) -> Path:
    return user.runtime_directory(USER, env, login=tmp_path / "login", fallback=tmp_path)


def test_the_runtime_directory_of_the_environment_is_used(
    tmp_path: Path,
) -> None:
    (tmp_path / "xdg").mkdir(mode=0o700)
    assert found(tmp_path, XDG_RUNTIME_DIR=str(tmp_path / "xdg")) == tmp_path / "xdg"


def test_without_the_environment_the_login_directory_is_used(tmp_path: Path, login: Path) -> None:
    (login / str(USER)).mkdir(mode=0o700)
    assert found(tmp_path) == login / str(USER)


def test_a_login_directory_that_others_may_enter_is_not_used(tmp_path: Path, login: Path) -> None:
    (login / str(USER)).mkdir(mode=0o755)
    assert found(tmp_path) == tmp_path / f"cri-shim-{USER}"


def test_the_last_resort_may_be_missing(tmp_path: Path) -> None:
    assert found(tmp_path) == tmp_path / f"cri-shim-{USER}"
    assert list(tmp_path.iterdir()) == []


def test_the_last_resort_is_used_again_if_it_is_private(tmp_path: Path) -> None:
    private = tmp_path / f"cri-shim-{USER}"
    private.mkdir(mode=0o700)
    assert found(tmp_path) == private


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o755, 0o777])
def test_a_last_resort_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / f"cri-shim-{USER}").mkdir()
    (tmp_path / f"cri-shim-{USER}").chmod(mode)
    with pytest.raises(StateError, match=f"mode {mode:04o}: others may use it.*XDG_RUNTIME_DIR"):
        found(tmp_path)


def test_a_last_resort_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / f"cri-shim-{USER}").mkdir(mode=0o700)
    os.chown(tmp_path / f"cri-shim-{USER}", 4712, 4712)
    with pytest.raises(StateError, match=r"belongs to user 4712, not to 0.*remove it"):
        found(tmp_path)


def test_a_symbolic_link_is_refused_even_to_a_directory_of_ours(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / f"cri-shim-{USER}").symlink_to(tmp_path / "real")
    with pytest.raises(StateError, match="is a symbolic link, of user 0"):
        found(tmp_path)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("xdg", "is not an absolute path"),
        ("/nowhere/xdg", "/nowhere/xdg: No such file"),
        ("/tmp", "mode 1777: others may use it"),
        ("/proc/version", "is not a directory"),
    ],
)
def test_an_untrusted_directory_of_the_environment_is_refused(
    tmp_path: Path, named: str, said: str
) -> None:
    with pytest.raises(StateError, match=f"XDG_RUNTIME_DIR.*{said}"):
        found(tmp_path, XDG_RUNTIME_DIR=named)


def test_root_is_never_an_unprivileged_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(user.ENTERED, "1001")
    assert user.unprivileged_user() is None


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Make this process look like an unprivileged user's."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "xdg").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(user, "unprivileged_user", lambda: USER)
    return tmp_path


def test_an_unprivileged_user_has_directories_of_its_own(ordinary: Path) -> None:
    config = load()
    assert config.server.root == ordinary / "home/.local/share/cri-shim"
    assert config.server.run_root == ordinary / "xdg/cri-shim"
    assert config.server.socket == ordinary / "xdg/cri-shim/cri-shim.sock"
    assert config.network.netns_dir == ordinary / "xdg/cri-shim/netns"
    assert config.origin["server.root"] == f"user {USER}"


def test_data_and_configuration_follow_the_environment(
    ordinary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(ordinary / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(ordinary / "etc"))
    (ordinary / "etc/cri-shim/config.d").mkdir(parents=True)
    (ordinary / "etc/cri-shim/config.toml").write_text('namespace = "mine"\n')
    (ordinary / "etc/cri-shim/config.d/1.toml").write_text("max_log_size = 5\n")
    config = load()
    assert config.server.root == ordinary / "data/cri-shim"
    assert (config.namespace, config.max_log_size) == ("mine", 5)


def test_given_directories_win(ordinary: Path) -> None:
    config = load(overrides={"server.root": "/a", "server.run_root": "/b"})
    assert (config.server.root, config.server.run_root) == (Path("/a"), Path("/b"))
    assert config.network.netns_dir == Path("/b/netns")


def test_the_users_libpod_conf_sets_its_directories(ordinary: Path) -> None:
    file = ordinary / "home/.config/containers/libpod.conf"
    file.parent.mkdir(parents=True)
    file.write_text('static_dir = "/a"\ntmp_dir = "/b"\n')
    config = load()
    assert (config.server.root, config.server.run_root) == (
        Path("/a/cri-shim"),
        Path("/b/cri-shim"),
    )


def test_the_directories_of_the_machines_libpod_conf_are_ignored() -> None:
    entries = [Entry((name,), "/x", "f:1") for name in ("static_dir", "max_log_size", "tmp_dir")]
    warnings: list[str] = []
    kept = without_roots_places(entries, Path("/usr/share/containers/libpod.conf"), warnings)
    assert [entry.name for entry in kept] == ["max_log_size"]
    assert [w.partition(": ")[2].split()[0] for w in warnings] == ["static_dir", "tmp_dir"]


def test_root_has_the_machines_directories() -> None:
    assert load(places=Places(libpod=())).server == Config().server
