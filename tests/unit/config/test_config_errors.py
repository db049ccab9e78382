"""The errors of a wrong configuration: file, line, key and what to do."""

from pathlib import Path

import pytest

from cri_shim.config import Places, load
from cri_shim.config.failures import ConfigErrors
from cri_shim.errors import ConfigError

NOWHERE = Places(own=Path("/nowhere"), drop_ins=Path("/nowhere"), libpod=())


def complaint(tmp_path: Path, text: str) -> str:
    """Return the error of a configuration file with this text, without the directory."""
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, places=NOWHERE)
    return str(caught.value).removeprefix(f"{tmp_path}/")


def flag_complaint(name: str, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(overrides={name: text}, places=NOWHERE)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('\nnamespac = "x"\n', "c.toml:2: unknown key namespac; did you mean namespace?"),
        ('[server]\n\nsockt = "/x"\n', "c.toml:3: unknown key server.sockt; did you mean server.socket?"),
        ('log_level = "info"\n', "c.toml:1: unknown key log_level; did you mean server.log_level?"),
        ("[serverr]\nsocket = '/x'\n", "c.toml:2: unknown key serverr.socket; did you mean server.socket?"),
        ('[runtimes.x]\npaths = "/x"\n', "c.toml:2: unknown key runtimes.x.paths; did you mean runtimes.x.path?"),
        ("[nothing]\n", "c.toml:1: unknown key nothing; sections are [server], [network], "),
    ],
)  # fmt: skip
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_valid_one(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert complaint(tmp_path, text).startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("namespace = 5", "c.toml:1: namespace: expected a string, found an integer (5)"),
        ('no_pivot_root = "yes"', "c.toml:1: no_pivot_root: expected true or false, found a string ('yes')"),
        ("max_log_size = true", "c.toml:1: max_log_size: expected an integer, found a boolean (True)"),
        ("max_log_size = 1.5", "c.toml:1: max_log_size: expected an integer, found a float (1.5)"),
        ("cni_plugin_dir = [1]", "c.toml:1: cni_plugin_dir: expected a list of strings, found a list ([1])"),
        ("[server]\nroot = 1", "c.toml:2: server.root: expected a string (a path), found an integer (1)"),
        ("[network]\nadd_timeout = 'x'", "c.toml:2: network.add_timeout: expected a number, found a string ('x')"),
        ("namespace = 2020-01-01", "c.toml:1: namespace: expected a string, found a date or time (datetime.date(2020, 1, 1))"),
    ],
)  # fmt: skip
def test_the_error_of_a_wrong_type_has_the_expected_and_the_found_type(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert complaint(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[server]\nrun_root = "/a:b"', "c.toml:2: server.run_root: must not have a colon"),
        ('[server]\nroot = "rel"', "c.toml:2: server.root: must be an absolute path, not 'rel'"),
        (f'[server]\nsocket = "/{"x" * 107}"', "c.toml:2: server.socket: is longer than the 107 bytes"),
        ('cgroup_manager = "cgroup"', "c.toml:1: cgroup_manager: must be one of auto, cgroupfs, systemd"),
        ("conmon_path = []", "c.toml:1: conmon_path: must name at least one path"),
        ('conmon_env_vars = ["PATH"]', "c.toml:1: conmon_env_vars: must be NAME=VALUE, not 'PATH'"),
        ('[network]\nsubnet = "10.1.1.1/16"', "c.toml:2: network.subnet: must be a subnet like"),
        ('[network]\nbridge = "a-name-that-is-long"', "c.toml:2: network.bridge: must be an interface name"),
        ("[network]\ndel_timeout = 0", "c.toml:2: network.del_timeout: must be more than 0"),
        ("[streaming]\nport = 70000", "c.toml:2: streaming.port: must be a port"),
        (
            '[streaming]\ntls_cert_file = "/c"',
            "c.toml:2: streaming.tls_cert_file: streaming.tls_key_file must be set, too",
        ),
        (
            '[streaming]\ntls_key_file = "/k"',
            "c.toml:2: streaming.tls_key_file: streaming.tls_cert_file must be set, too",
        ),
        ('[metrics]\ntls_cert_file = "/c"', "c.toml:2: metrics.tls_cert_file: metrics.tls_key_file must be"),
        (
            '[metrics]\ntls_client_ca_file = "/c"',
            "c.toml:2: metrics.tls_client_ca_file: metrics.tls_cert_file must be set, too",
        ),
        ('[metrics]\naddress = "9090"', "c.toml:2: metrics.address: must be unix:///PATH, ADDRESS:PORT or"),
        ('[metrics]\naddress = "::1:90"', "c.toml:2: metrics.address: must be unix:///PATH, ADDRESS:PORT or"),
        ('[metrics]\naddress = "localhost:90"', "c.toml:2: metrics.address: must be an IP address"),
        ('[metrics]\naddress = "[::1]:99999999"', "c.toml:2: metrics.address: must be a port"),
        ('[metrics]\naddress = "unix://m.sock"', "c.toml:2: metrics.address: must be an absolute path"),
        ('[streaming]\naddress = "localhost"', "c.toml:2: streaming.address: must be an IP address"),
        ('runtime = "runk"', "c.toml:1: runtime: no [runtimes.runk]; known: crun, runc"),
        ('[runtimes.Big_Name]\npath = "/x"', "c.toml:2: runtimes.Big_Name: a handler's name must be"),
    ],
)  # fmt: skip
def test_an_unusable_value_is_refused_with_the_reason(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert complaint(tmp_path, text).startswith(expected)


def test_text_that_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert complaint(tmp_path, 'namespace = "x"\nmax_log_size = = 1\n').startswith(
        "c.toml:2: not valid TOML: "
    )


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot read configuration"):
        load(tmp_path / "c.toml", places=NOWHERE)


def test_a_wrong_flag_is_named_as_one() -> None:
    assert flag_complaint("server.rot", "/x") == (
        "flag server.rot: unknown key; did you mean server.root?"
    )
    assert flag_complaint("max_log_size", "many") == (
        "flag max_log_size: expected an integer, found a string ('many')"
    )


def test_flags_are_read_as_toml_where_the_key_is_no_string() -> None:
    flags = {"max_log_size": "5", "no_pivot_root": "true", "cni_plugin_dir": '["/a", "/b"]'}
    config = load(overrides={**flags, "namespace": "5"}, places=NOWHERE)
    assert (config.max_log_size, config.no_pivot_root, config.namespace) == (5, True, "5")
    assert config.network.plugin_dirs == (Path("/a"), Path("/b"))


def test_a_network_may_have_a_subnet_of_each_family_but_not_two_of_one() -> None:
    config = load(overrides={"network.subnet": "10.1.0.0/24,fd00::/64"}, places=NOWHERE)
    assert config.network.subnet == "10.1.0.0/24,fd00::/64"
    assert flag_complaint("network.subnet", "10.1.0.0/24,10.2.0.0/24").endswith(
        "must be one subnet of each family"
    )


def test_a_flag_may_be_a_quoted_string() -> None:
    flags = {"image.registries_conf": '"/x/y"', "namespace": "'a'"}
    config = load(overrides=flags, places=NOWHERE)
    assert (config.image.registries_conf, config.namespace) == ("/x/y", "a")


@pytest.mark.parametrize("name", ["server.root", "image.registries_conf", "streaming.port"])
def test_the_error_of_a_flag_names_its_key_once(name: str) -> None:
    assert flag_complaint(name, "'x'").count(name) == 1


def test_no_error_is_a_wall_of_keys(tmp_path: Path) -> None:
    for text in ("[nothing]\nx = 1", "[server]\nzzzzzzzz = 1", "qqqqqq = 1"):
        assert len(complaint(tmp_path, text)) < 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = 2\n", "looks like containerd's config.toml: convert it with `cri-shim config"),
        (
            '[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "x"\n',
            "looks like containerd's config.toml",
        ),
        ('[crio.runtime]\nconmon = ""\n', "looks like CRI-O's crio.conf: convert it with"),
        ('{"registry-mirrors": []}', "is JSON and looks like Docker's daemon.json"),
    ],
)
def test_the_file_of_another_runtime_is_recognised(tmp_path: Path, text: str, said: str) -> None:
    assert complaint(tmp_path, text).removeprefix("c.toml ").startswith(said)


def test_all_errors_of_all_files_are_told_together(tmp_path: Path) -> None:
    main, drop_ins = tmp_path / "c.toml", tmp_path / "d"
    drop_ins.mkdir()
    main.write_text('namespac = "x"\nmax_log_size = "y"\n')
    (drop_ins / "1.toml").write_text("[")
    (drop_ins / "2.toml").write_text("[streaming]\nport = -1\n")
    with pytest.raises(ConfigErrors) as caught:
        load(main, {"server.rot": "/x"}, Places(main, drop_ins, ()))
    starts = [each.removeprefix(f"{tmp_path}/").split(": ")[0] for each in caught.value.each]
    assert starts == ["c.toml:1", "d/1.toml:1", "flag server.rot", "c.toml:2", "d/2.toml:2"]
    assert str(caught.value).endswith("(and 4 more: see cri-shim config --check)")
