"""A libpod.conf of an old podman installation is read unchanged."""

from dataclasses import FrozenInstanceError
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from cri_shim.cli import main
from cri_shim.cli.convert.libpod import converted
from cri_shim.config import Config, Places, deep_copy, load
from cri_shim.config.schema import KEYS, TABLES, current
from cri_shim.errors import ConfigError

FILES = Path(__file__).parent / "libpod"
NOWHERE = Path("/nowhere")
OLD, LAST = FILES / "2018.conf", FILES / "2020.conf"


def places(*files: Path) -> Places:
    return Places(own=NOWHERE, drop_ins=NOWHERE, libpod=files)


def read(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "libpod.conf"
    file.write_text(text)
    return load(file, places=places())


def test_every_key_of_2018_sets_its_value() -> None:
    config = load(places=places(OLD))
    runc = (
        "/usr/bin/runc", "/usr/sbin/runc", "/sbin/runc", "/bin/runc",
        "/usr/lib/cri-o-runc/sbin/runc",
    )  # fmt: skip
    assert config.image.default_transport == "docker://"
    assert config.image.signature_policy_path == "/etc/containers/policy.json"
    assert config.runtime_path == runc
    assert config.conmon_path == (
        "/usr/libexec/crio/conmon", "/usr/local/libexec/crio/conmon", "/usr/bin/conmon",
        "/usr/sbin/conmon", "/usr/lib/crio/bin/conmon",
    )  # fmt: skip
    assert config.conmon_env_vars == Config().conmon_env_vars
    assert config.cgroup_manager == "cgroupfs"
    assert config.server.root == Path("/var/lib/containers/storage/libpod/cri-shim")
    assert config.server.run_root == Path("/var/run/libpod/cri-shim")
    assert config.server.socket == Path("/var/run/libpod/cri-shim/cri-shim.sock")
    assert (config.max_log_size, config.no_pivot_root) == (1048576, True)
    assert config.hooks_dir == ("/usr/share/containers/oci/hooks.d", "/srv/hooks.d")
    assert config.hooks_dir_not_exist_fatal
    assert config.network.config_dir == Path("/etc/cni/net.d")
    assert config.network.plugin_dirs == Config().network.plugin_dirs
    assert config.network.default_network == "podman"
    assert config.namespace == "batch"
    assert [*config.runtimes] == ["runc", "crun"]


@pytest.mark.parametrize(
    ("file", "unknown"),
    [
        (OLD, "state_type infra_image infra_command enable_port_reservation label"),
        (
            LAST,
            "infra_image infra_command lock_type num_locks volume_path events_logger detach_keys"
            " network_cmd_path runtime_supports_json runtime_supports_nocgroups",
        ),
    ],
)
def test_a_key_without_a_meaning_is_a_warning(file: Path, unknown: str) -> None:
    told = [w.split(" key ")[1] for w in load(places=places(file)).warnings if " key " in w]
    assert sorted(told) == sorted(f"{key} means nothing to cri-shim" for key in unknown.split())


def test_the_last_libpod_conf_is_read_with_its_runtimes() -> None:
    config = load(places=places(LAST))
    assert config.default_runtime == "runc"
    assert config.runtimes["kata-runtime"].path == ("/usr/bin/kata-runtime",)
    assert config.runtimes["runc"].path[2] == "/run/current-system/sw/bin/runc"
    assert config.runtimes["kata-fc"].path[:2] == (
        "/usr/local/sbin/kata_fc",
        "/usr/local/bin/kata_fc",
    )
    assert config.init_path == ("/usr/libexec/podman/catatonit",)
    assert config.conmon_path == Config().conmon_path
    assert config.hooks_dir == ()
    assert f"{LAST}:36: runtime kata_fc is handler kata-fc here" in config.warnings


def test_a_runtime_given_by_its_path_is_a_handler_of_that_name(tmp_path: Path) -> None:
    config = read(tmp_path, 'runtime = "/opt/bin/youki"\n')
    assert config.default_runtime == "youki"
    assert config.runtimes["youki"].path == ("/opt/bin/youki",)


def test_runtime_path_wins_over_runtime_like_in_libpod(tmp_path: Path) -> None:
    config = read(tmp_path, 'runtime = "crun"\nruntime_path = ["/opt/bin/runc"]\n')
    assert config.default_runtime == ""
    assert [*config.runtimes] == ["runc", "crun"]
    assert config.runtimes["runc"].path == ("/opt/bin/runc",)
    assert config.warnings[0].endswith(":1: runtime is not used: runtime_path is set, too")


def test_runtime_path_sets_the_order_and_the_paths_of_handlers(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        'runtime_path = ["/opt/runc", "/opt/My_Own", "/usr/bin/runc"]\n'
        '[runtimes.kata]\npath = "/k"\n[runtimes.runc]\npath = "/mine"\n'
    )
    config = load(file, places=places())
    assert {name: table.path for name, table in config.runtimes.items()} == {
        "runc": ("/mine",),
        "my-own": ("/opt/My_Own",),
        "crun": Config().runtimes["crun"].path,
        "kata": ("/k",),
    }
    assert [*config.runtimes][:2] == ["runc", "my-own"]
    assert config.origin["runtimes.my-own.path"] == f"runtime_path at {file}:1"


def test_a_wrong_type_is_an_error_even_in_a_libpod_conf(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"libpod\.conf:1: runtime: expected a string"):
        read(tmp_path, "runtime = 5\n")
    with pytest.raises(ConfigError, match=r"libpod\.conf:2: runtimes\.x: expected a list"):
        read(tmp_path, "[runtimes]\nx = 5\n")


def values(config: Config) -> dict[str, Any]:
    found = {name: current(config, key) for name, key in KEYS.items()}
    return {"runtimes": dict(config.runtimes), **found, "static_dir": "", "tmp_dir": ""}


@pytest.mark.parametrize("file", [OLD, LAST])
def test_the_equivalent_in_our_form_gives_the_same_configuration(
    file: Path, tmp_path: Path
) -> None:
    ours = tmp_path / "config.toml"
    ours.write_text(converted(file))
    again = load(ours, places=places())
    assert values(again) == values(load(places=places(file)))
    assert again.warnings == ()


def test_the_equivalent_has_the_origin_of_each_value_and_the_ignored_keys() -> None:
    lines = converted(OLD).splitlines()
    assert lines[0] == f"# made from {OLD}: for /etc/cri-shim/config.toml"
    assert f"max_log_size = 1048576  # {OLD}:32" in lines
    assert f'run_root = "/var/run/libpod/cri-shim"  # tmp_dir at {OLD}:31' in lines
    assert f"# {OLD}:48: key infra_image means nothing to cri-shim" in lines
    assert not [line for line in lines if line.startswith(("static_dir", "tmp_dir", "socket"))]


def test_config_from_libpod_prints_the_equivalent(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--from-libpod", str(OLD)]) == 0
    assert capsys.readouterr().out == converted(OLD)


def test_config_from_libpod_of_no_file_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "--from-libpod", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == (
        f"cri-shim: there is no libpod.conf: looked for {tmp_path}/none\n"
    )


def test_the_first_libpod_conf_that_exists_is_converted(tmp_path: Path) -> None:
    assert converted(tmp_path / "none", LAST, OLD) == converted(LAST)


def test_a_deep_copy_is_equal_and_shares_no_table() -> None:
    config = load(places=places(LAST))
    copy = deep_copy(config)
    assert copy == config
    shared = [name for name in TABLES if getattr(copy, name) is getattr(config, name)]
    assert shared == []
    assert copy.runtimes["runc"] is not config.runtimes["runc"]
    assert copy.origin is not config.origin


def test_a_configuration_cannot_be_changed() -> None:
    config = deep_copy(load(places=places(LAST)))
    with pytest.raises(FrozenInstanceError):
        config.server.root = Path("/x")  # type: ignore[misc]
    assert isinstance(config.runtimes, MappingProxyType)
    assert isinstance(config.origin, MappingProxyType)
