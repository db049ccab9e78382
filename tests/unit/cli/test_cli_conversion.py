"""Configuration files of containerd and CRI-O become files that `config --check` accepts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cri_shim.cli import main
from cri_shim.cli.convert import containerd, crio
from cri_shim.cli.convert.conversion import seconds, size
from cri_shim.config import Config, Places, load
from cri_shim.errors import ConfigError
from cri_shim.store.manifest import host_architecture

FILES = Path(__file__).parent / "foreign"
NOWHERE = Path("/nowhere")
PLACES = Places(own=NOWHERE, drop_ins=NOWHERE, libpod=())


def loaded(text: str, tmp_path: Path) -> Config:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load(file, places=PLACES)


def test_a_containerd_file_of_version_2_is_converted(tmp_path: Path) -> None:
    text = containerd.converted(FILES / "containerd-v2.toml")
    config = loaded(text, tmp_path)
    assert config.streaming.port == 10010
    assert config.streaming.idle_timeout == 9000.0
    assert config.image.pull_progress_timeout == 60.0
    assert config.image.layers_at_once == 5
    assert config.image.keep_blobs is False
    assert config.network.plugin_dirs == (Path("/opt/cni/bin"),)
    assert config.containers.cdi_spec_dirs == (Path("/etc/cdi"),)
    assert config.containers.missing_mount_source == "create"
    assert (config.default_runtime, config.cgroup_manager) == ("runc", "systemd")
    assert config.runtimes["runc"].path == ("/usr/sbin/runc",)
    assert config.server.socket == Config().server.socket


def test_each_other_key_of_containerd_is_a_comment_with_its_line() -> None:
    text = containerd.converted(FILES / "containerd-v2.toml")
    notes = [line for line in text.splitlines() if line.startswith("# ")]
    assert any(":10: " in n and "sandbox_image: pods need no pause image" in n for n in notes)
    assert any("mirrors" in n and "registries.conf" in n for n in notes)
    assert any("kata" in n and "command line of runc" in n for n in notes)
    assert any("snapshotter: means nothing here" in n for n in notes)


def test_a_containerd_file_of_version_3_is_read_from_both_its_tables(tmp_path: Path) -> None:
    config = loaded(containerd.converted(FILES / "containerd-v3.toml"), tmp_path)
    assert config.default_runtime == "crun"
    assert config.runtimes["crun"].path == ("/usr/bin/crun",)
    assert config.cgroup_manager == "cgroupfs"
    assert config.network.plugin_dirs == (Path("/opt/cni/bin"), Path("/usr/lib/cni"))
    assert config.image.keep_blobs is True
    assert config.image.pull_progress_timeout == 300.0


def test_a_crio_file_is_converted(tmp_path: Path) -> None:
    text = crio.converted(FILES / "crio.conf")
    config = loaded(text, tmp_path)
    assert config.default_runtime == "crun"
    assert config.cgroup_manager == "systemd"
    assert config.conmon_env_vars == ("PATH=/usr/sbin:/usr/bin",)
    assert config.conmon_path == Config().conmon_path
    assert config.default_sysctls == ("net.ipv4.ping_group_range=0 0",)
    assert config.hooks_dir == ("/usr/share/containers/oci/hooks.d",)
    assert config.containers.pids_limit == 0
    assert config.containers.missing_mount_source == "create"
    assert config.containers.not_created_mount_sources == ("/etc/hostname",)
    assert config.image.signature_policy_path == "/etc/containers/policy.json"
    assert config.network.config_dir == Path("/etc/cni/net.d")
    assert "pause_image: pods need no pause image" in text
    assert "monitor_path: means nothing here" in text


def test_the_defaults_of_a_crio_node_are_converted(tmp_path: Path) -> None:
    file = tmp_path / "crio.conf"
    file.write_text(
        '[crio.runtime]\ndefault_ulimits = ["nofile=1024:2048"]\ndefault_env = ["A=1"]\n'
        "default_capabilities = []\nadd_inheritable_capabilities = true\n"
    )
    ours = loaded(crio.converted(file), tmp_path).containers
    assert (ours.default_ulimits, ours.default_env) == (("nofile=1024:2048",), ("A=1",))
    assert (ours.default_capabilities, ours.add_inheritable_capabilities) == ((), True)


def test_the_settings_of_a_crio_handler_are_converted(tmp_path: Path) -> None:
    file = tmp_path / "crio.conf"
    file.write_text(
        '[crio.runtime.runtimes.crun]\nruntime_path = "/usr/bin/crun"\n'
        'allowed_annotations = ["io.kubernetes.cri-o.Devices"]\nseccomp_profile = ""\n'
        'container_min_memory = "12MiB"\nprivileged_without_host_devices = true\n'
        'default_annotations = { "run.oci.x" = "1", "b.example/y" = "a=b" }\n'
    )
    crun = loaded(crio.converted(file), tmp_path).runtimes["crun"]
    assert crun.path == ("/usr/bin/crun",)
    assert crun.allowed_annotations == ("io.kubernetes.cri-o.Devices",)
    assert crun.default_annotations == ("run.oci.x=1", "b.example/y=a=b")
    assert (crun.container_min_memory, crun.seccomp_profile) == (12 << 20, "")
    assert crun.privileged_without_host_devices


def test_the_settings_of_a_containerd_handler_are_converted(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\n'
        'pod_annotations = ["io.example.*"]\nprivileged_without_host_devices = true\n'
    )
    runc = loaded(containerd.converted(file), tmp_path).runtimes["runc"]
    assert runc.path == Config().runtimes["runc"].path
    assert runc.allowed_annotations == ("io.example.*",)
    assert runc.privileged_without_host_devices


def test_settings_of_a_containerd_handler_without_a_key_are_comments_with_the_remedy() -> None:
    text = containerd.converted(FILES / "containerd-handler.toml")
    assert "base_runtime_spec: write its limits and capabilities as containers." in text
    assert "container_annotations: all annotations of containers are passed on" in text
    assert "all_devices_allowed" not in text  # it is off


def test_the_plugins_of_a_containerd_node_are_converted(tmp_path: Path) -> None:
    file = tmp_path / "containerd.toml"
    file.write_text(
        '[plugins."io.containerd.nri.v1.nri"]\n'
        "disable = false\ndisable_connections = true\n"
        'plugin_path = "/opt/p"\nplugin_request_timeout = "3s"\nunknown = 1\n'
        '[plugins."io.containerd.nri.v1.nri".default_validator]\n'
        'enable = true\nreject_oci_hook_adjustment = true\nrequired_plugins = ["a"]\n'
    )
    text = containerd.converted(file)
    nri = loaded(text, tmp_path).nri

    assert (nri.enabled, nri.disable_connections, nri.request_timeout) == (True, True, 3.0)
    assert nri.plugin_directory == Path("/opt/p")
    assert (nri.default_validator, nri.reject_hooks, nri.required_plugins) == (True, True, ("a",))
    assert "unknown: means nothing here" in text


def test_the_plugins_of_a_crio_node_are_converted(tmp_path: Path) -> None:
    file = tmp_path / "crio.conf"
    file.write_text(
        '[crio.nri]\nenable_nri = true\nnri_listen = "/run/n.sock"\n'
        'nri_plugin_registration_timeout = "7s"\n'
    )
    nri = loaded(crio.converted(file), tmp_path).nri

    assert (nri.enabled, nri.socket, nri.registration_timeout) == (True, Path("/run/n.sock"), 7.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12MiB", 12 << 20), ("12582912", 12582912), ("1g", 1 << 30), ("5 kb", 5 << 10), (7, 7)],
)
def test_a_size_is_read_in_bytes(text: object, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1.5M", "1x", "9" * 20])
def test_a_malformed_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size(text)


def test_the_smaller_set_of_capabilities_of_crio_is_converted(tmp_path: Path) -> None:
    config = loaded(crio.converted(FILES / "crio.conf"), tmp_path)
    assert "CHOWN" in config.containers.default_capabilities
    assert "NET_RAW" not in config.containers.default_capabilities


def test_the_devices_the_time_zone_and_the_tls_version_of_crio_are_converted(
    tmp_path: Path,
) -> None:
    file = tmp_path / "crio.conf"
    file.write_text(
        '[crio.api]\ntls_min_version = "VersionTLS13"\n'
        '[crio.runtime]\nadditional_devices = ["/dev/sdc:/dev/xvdc:rwm"]\n'
        'allowed_devices = ["/dev/kvm"]\ntimezone = "Local"\ndisable_hostport_mapping = true\n'
    )
    config = loaded(crio.converted(file), tmp_path)
    ours = config.containers
    assert config.streaming.tls_min_version == "1.3"
    assert ours.additional_devices == ("/dev/sdc:/dev/xvdc:rwm",)
    assert (ours.allowed_devices, ours.timezone) == (("/dev/kvm",), "Local")
    assert config.network.unmapped_host_ports == "allow"


def test_what_crio_does_without_a_key_is_written_too(tmp_path: Path) -> None:
    ours = loaded(crio.converted(FILES / "crio.conf"), tmp_path).containers
    assert ours.allowed_devices == ("/dev/fuse", "/dev/net/tun")
    assert (ours.passwd_entry, ours.containerenv) == (True, True)


def test_an_unknown_tls_version_is_a_comment(tmp_path: Path) -> None:
    file = tmp_path / "crio.conf"
    file.write_text('[crio.api]\ntls_min_version = "VersionTLS11"\n')
    text = crio.converted(file)
    assert "tls_min_version: streaming.tls_min_version does not take 'VersionTLS11'" in text
    assert loaded(text, tmp_path).streaming.tls_min_version == "1.2"


@pytest.mark.parametrize("first", ["runtime_path", "platform_runtime_paths"])
def test_the_program_of_this_platform_is_that_of_the_handler(tmp_path: Path, first: str) -> None:
    lines = {
        "runtime_path": 'runtime_path = "/usr/bin/crun"\n',
        "platform_runtime_paths": f'platform_runtime_paths = {{ "linux/{host_architecture()}" ='
        ' "/opt/crun", "wasi/wasm32" = "/opt/wasm" }\n',
    }
    file = tmp_path / "crio.conf"
    other = next(name for name in lines if name != first)
    file.write_text("[crio.runtime.runtimes.crun]\n" + lines[first] + lines[other])
    text = crio.converted(file)
    assert loaded(text, tmp_path).runtimes["crun"].path == ("/opt/crun",)
    assert "images of other platforms are not run" in text


@pytest.mark.parametrize("reader", [containerd.converted, crio.converted])
def test_a_file_of_another_program_is_refused(
    reader: Callable[[Path], str], tmp_path: Path
) -> None:
    file = tmp_path / "other.toml"
    file.write_text('title = "x"\n')
    with pytest.raises(ConfigError, match="does not look like a configuration of"):
        reader(file)


def test_a_value_of_the_wrong_kind_is_a_comment_and_not_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "crio.conf"
    file.write_text('[crio.api]\nstream_port = "many"\n[crio.runtime]\npids_limit = "x"\n')
    text = crio.converted(file)
    assert "stream_port: " in text and "pids_limit: " in text
    loaded(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"), [("4h0m0s", 14400.0), ("1m30s", 90.0), ("500ms", 0.5)]
)
def test_a_go_duration_is_read_in_seconds(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-1s", "1d"])
def test_a_malformed_go_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


def test_the_command_line_converts_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--from-crio", str(FILES / "crio.conf")]) == 0
    assert "made from" in capsys.readouterr().out
    assert main(["config", "--from-containerd", "/gone"]) == 1
    assert "cannot read configuration /gone" in capsys.readouterr().err
