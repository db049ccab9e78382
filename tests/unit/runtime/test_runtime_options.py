"""Options become configuration keys; errors are raised before anything is opened."""

import subprocess
import sys
from pathlib import Path

import pytest

from cri_shim import Runtime, options
from cri_shim.config import Places, load
from cri_shim.config.schema import KEYS, current
from cri_shim.errors import ConfigError, RuntimeStopped
from cri_shim.options import Option, Options

NOWHERE = Places(own=Path("/nowhere"), drop_ins=Path("/nowhere"), libpod=())
EACH: list[tuple[Options, dict[str, object]]] = [
    (
        options.with_storage("/r", Path("/rr")),
        {"server.root": Path("/r"), "server.run_root": Path("/rr")},
    ),
    (options.with_storage(run_root="/rr"), {"server.run_root": Path("/rr")}),
    (options.with_state("memory"), {"state": "memory"}),
    (options.with_oci_runtime("/opt/My_Runtime"), {"runtime": "my-runtime"}),
    (options.with_conmon_path("/a/conmon", "/b"), {"conmon_path": ("/a/conmon", "/b")}),
    (options.with_conmon_env({"A": "b c", "D": '"é\\'}), {
        "conmon_env_vars": ("A=b c", 'D="é\\'),
    }),
    (options.with_cgroup_manager("systemd"), {"cgroup_manager": "systemd"}),
    (options.with_static_dir("/s"), {"server.root": Path("/s/cri-shim")}),
    (options.with_tmp_dir("/t"), {"server.run_root": Path("/t/cri-shim")}),
    (options.with_max_log_size(1 << 20), {"max_log_size": 1 << 20}),
    (options.with_no_pivot_root(), {"no_pivot_root": True}),
    (options.with_no_pivot_root(False), {"no_pivot_root": False}),
    (options.with_cni_config_dir("/etc/x"), {"cni_config_dir": Path("/etc/x")}),
    (options.with_cni_plugin_dir("/a", "/b"), {"cni_plugin_dir": (Path("/a"), Path("/b"))}),
    (options.with_default_network("true"), {"cni_default_network": "true"}),
    (options.with_hooks_dir("/h"), {"hooks_dir": ("/h",)}),
    (options.with_default_mounts_file("/m.conf"), {"default_mounts_file": "/m.conf"}),
    (options.with_signature_policy("/p.json"), {"signature_policy_path": "/p.json"}),
    (options.with_image_transport("oci:"), {"image_default_transport": "oci:"}),
    (options.with_namespace("1"), {"namespace": "1"}),
]  # fmt: skip


@pytest.mark.parametrize(("option", "values"), EACH, ids=lambda v: next(iter(dict(v))))
def test_each_option_sets_its_keys(option: Options, values: dict[str, object]) -> None:
    config = load(None, options.flat([option]), NOWHERE)
    assert {name: current(config, KEYS[name]) for name in values} == values


def test_every_with_function_is_tested() -> None:
    functions = [name for name in vars(options) if name.startswith("with_")]
    used = Path(__file__).read_text()
    assert [name for name in functions if f"options.{name}(" not in used] == []


def test_an_oci_runtime_is_a_handler_of_its_own_name() -> None:
    config = load(None, options.flat([options.with_oci_runtime("/x/kata", name="vm")]), NOWHERE)
    assert (config.default_runtime, config.runtimes["vm"].path) == ("vm", ("/x/kata",))


def test_a_later_option_wins_and_pairs_and_groups_mix() -> None:
    given: list[Option | Options] = [
        ("namespace", "a"),
        options.with_storage("/one"),
        options.with_namespace("b"),
        ("server.root", "/two"),
    ]
    assert options.flat(given) == {"namespace": "b", "server.root": "/two"}


@pytest.mark.parametrize("bad", ["namespace", 7, None, ("a", "b", "c"), ("a", 1), (("a",),), [1]])
def test_an_unknown_option_is_refused_by_name(bad: object) -> None:
    with pytest.raises(ConfigError, match="is not an option"):
        Runtime(bad)  # type: ignore[arg-type]


def test_another_storage_driver_is_refused() -> None:
    with pytest.raises(ConfigError, match="'vfs' is not known; there is: overlay"):
        options.with_storage("/r", driver="vfs")


@pytest.mark.parametrize(
    ("option", "named"),
    [
        (options.with_storage("relative"), "server.root"),
        (options.with_cgroup_manager("cgroups"), "cgroup_manager"),  # type: ignore[arg-type]
        (options.with_state("sqlite"), "state"),  # type: ignore[arg-type]
        (options.with_cni_plugin_dir("plugins"), "cni_plugin_dir"),
        (options.with_oci_runtime("/x/runc", name="No Name"), "runtimes.No Name"),
        ((("no.such.key", "1"),), "no.such.key"),
        ((("network.add_timeout", "soon"),), "network.add_timeout"),
    ],
)
def test_a_bad_value_is_refused_with_its_key(option: Options, named: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").touch()
    with pytest.raises(ConfigError, match=named):
        Runtime.from_config(tmp_path / "c.toml", option)


def test_options_win_over_the_file_until_the_runtime_is_used(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('namespace = "file"\nno_pivot_root = true\n')
    runtime = Runtime.from_config(tmp_path / "c.toml", options.with_namespace("option"))
    runtime.configure(options.with_max_log_size(5))
    with pytest.raises(ConfigError):
        runtime.configure(options.with_max_log_size(6), ("no.such.key", "1"))
    config = runtime.config()
    assert (config.namespace, config.no_pivot_root, config.max_log_size) == ("option", True, 5)
    with pytest.raises(RuntimeStopped, match="async with"):
        _ = runtime.engine


def test_importing_the_package_is_cheap() -> None:
    program = "import sys; before = set(sys.modules); import cri_shim; "
    program += "print(*sorted(m for m in set(sys.modules) - before))"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.split() == ["cri_shim", "cri_shim.version"]
    with pytest.raises(ImportError):
        from cri_shim import nonsense  # type: ignore[attr-defined]  # noqa: F401
