"""The sources of the configuration and their precedence."""

from pathlib import Path

import pytest

from cri_shim.config import Config, Places, load
from cri_shim.config.load import _libpod_places
from cri_shim.errors import ConfigError


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "config.d").mkdir()
    return Places(
        own=tmp_path / "config.toml",
        drop_ins=tmp_path / "config.d",
        libpod=(tmp_path / "etc-libpod.conf", tmp_path / "usr-libpod.conf"),
    )


def test_without_any_file_every_value_is_the_default(places: Places) -> None:
    config = load(places=places)
    assert config.server == Config().server
    assert config.runtimes == Config().runtimes
    assert set(config.origin.values()) == {"default"}
    assert config.runtime_path[0] == "/usr/bin/crun"


def test_a_given_file_replaces_all_other_main_files(places: Places, tmp_path: Path) -> None:
    places.own.write_text('namespace = "own"\n')
    (tmp_path / "mine.toml").write_text("max_log_size = 5\n")
    config = load(tmp_path / "mine.toml", places=places)
    assert (config.namespace, config.max_log_size) == ("", 5)


def test_a_given_file_that_does_not_exist_is_an_error(places: Places, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml", places=places)


def test_our_own_file_is_preferred_to_those_of_libpod(places: Places) -> None:
    places.own.write_text('namespace = "own"\n')
    places.libpod[0].write_text('namespace = "libpod"\n')
    assert load(places=places).namespace == "own"


def test_the_first_libpod_file_that_exists_is_the_only_one_read(places: Places) -> None:
    places.libpod[0].write_text('namespace = "etc"\n')
    places.libpod[1].write_text("max_log_size = 5\n")
    config = load(places=places)
    assert (config.namespace, config.max_log_size) == ("etc", -1)


def test_the_distributions_libpod_file_is_the_last_resort(places: Places) -> None:
    places.libpod[1].write_text("max_log_size = 5\n")
    assert load(places=places).max_log_size == 5


def test_only_a_rootless_user_has_a_libpod_file_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/u")
    assert _libpod_places(1000)[0] == Path("/home/u/.config/containers/libpod.conf")
    assert _libpod_places(0)[0] == Path("/etc/containers/libpod.conf")


def test_drop_ins_win_over_the_main_file_in_the_order_of_their_names(places: Places) -> None:
    places.own.write_text('namespace = "main"\nmax_log_size = 1\n')
    (places.drop_ins / "20-b.toml").write_text('namespace = "b"\n')
    (places.drop_ins / "10-a.toml").write_text('namespace = "a"\nno_pivot_root = true\n')
    (places.drop_ins / "30-c.conf").write_text('namespace = "not read"\n')
    config = load(places=places)
    assert (config.namespace, config.max_log_size, config.no_pivot_root) == ("b", 1, True)


def test_flags_win_over_all_files(places: Places) -> None:
    (places.drop_ins / "10-a.toml").write_text('[server]\nlog_level = "error"\n')
    config = load(overrides={"server.log_level": "debug"}, places=places)
    assert config.server.log_level == "debug"
    assert config.origin["server.log_level"] == "flag server.log_level"


def test_every_value_has_its_file_and_line(places: Places) -> None:
    places.own.write_text('# a comment\nnamespace = "x"\n\n[server]\n# more\nlog_level = "error"\n')
    origin = load(places=places).origin
    assert origin["namespace"] == f"{places.own}:2"
    assert origin["server.log_level"] == f"{places.own}:6"
    assert origin["server.root"] == "default"


def test_libpod_names_set_their_values(places: Places) -> None:
    places.libpod[0].write_text(
        'cni_config_dir = "/n"\ncni_plugin_dir = ["/p", "/q"]\ncni_default_network = "pods"\n'
        'image_default_transport = "oci:"\nsignature_policy_path = "/policy"\n'
        'hooks_dir = "/one"\nruntime = "mine"\n[runtimes]\nmine = ["/bin/mine"]\n'
    )
    config = load(places=places)
    assert config.network.config_dir == Path("/n")
    assert config.network.plugin_dirs == (Path("/p"), Path("/q"))
    assert config.network.default_network == "pods"
    assert config.image.default_transport == "oci:"
    assert config.image.signature_policy_path == "/policy"
    assert config.hooks_dir == ("/one",)
    assert config.default_runtime == "mine"
    assert config.runtimes["mine"].path == ("/bin/mine",)
    assert "crun" in config.runtimes


def test_a_runtime_is_a_table_with_a_path(places: Places) -> None:
    places.own.write_text('[runtimes.kata]\npath = "/opt/kata"\n')
    assert load(places=places).runtimes["kata"].path == ("/opt/kata",)


def test_an_unknown_key_of_libpod_is_a_warning(places: Places) -> None:
    places.libpod[0].write_text('namespace = "x"\ninfra_image = "pause:3.1"\n')
    config = load(places=places)
    assert config.namespace == "x"
    assert config.warnings == (f"{places.libpod[0]}:2: key infra_image means nothing to cri-shim",)


def test_libpods_directories_contain_one_of_cri_shim(places: Places) -> None:
    places.libpod[0].write_text('static_dir = "/var/lib/libpod"\ntmp_dir = "/run/libpod"\n')
    config = load(places=places)
    assert config.server.root == Path("/var/lib/libpod/cri-shim")
    assert config.server.run_root == Path("/run/libpod/cri-shim")


def test_a_root_given_by_flag_wins_over_libpods_directory(places: Places) -> None:
    places.libpod[0].write_text('static_dir = "/var/lib/libpod"\n')
    config = load(overrides={"server.root": "/second"}, places=places)
    assert config.server.root == Path("/second")


def test_another_root_has_a_network_of_its_own(places: Places) -> None:
    first = load(places=places).network
    second = load(overrides={"server.root": "/second"}, places=places).network
    third = load(overrides={"server.root": "/third"}, places=places).network
    assert len({first.bridge, second.bridge, third.bridge}) == 3
    assert len({first.subnet, second.subnet, third.subnet}) == 3


def test_a_configured_network_is_not_changed(places: Places) -> None:
    flags = {"server.root": "/second", "network.bridge": "br7", "network.subnet": "10.7.0.0/24"}
    network = load(overrides=flags, places=places).network
    assert (network.bridge, network.subnet) == ("br7", "10.7.0.0/24")


def test_the_socket_follows_the_run_root(places: Places) -> None:
    config = load(overrides={"server.run_root": "/run/second"}, places=places)
    assert config.server.socket == Path("/run/second/cri-shim.sock")


def test_a_cni_add_may_take_longer_than_the_kubelet_waits_for_a_pod() -> None:
    assert Config().network.add_timeout > 4 * 60  # 2 minutes, doubled for RunPodSandbox
