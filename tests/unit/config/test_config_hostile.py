"""An unusable configuration is refused with a sentence, for every content."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.config import Config, Places, load
from cri_shim.config.keys import Key
from cri_shim.config.schema import KEYS
from cri_shim.errors import ConfigError

NOWHERE = Places(own=Path("/nowhere"), drop_ins=Path("/nowhere"), libpod=())
LONG = "/" + "/".join(["x" * 200] * 25)  # 5,025 bytes, in names of an allowed length


def complaint(file: Path, content: str | bytes) -> str:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as refused:
        load(file, places=NOWHERE)
    text = str(refused.value)
    assert text.isprintable()
    assert len(text) < 2500
    return text.removeprefix(f"{file}:")


def keys(*kinds: Any) -> list[Key]:
    return [key for key in KEYS.values() if key.type in kinds or _item(key) in kinds]


def _item(key: Key) -> Any:
    return getattr(key.type, "__args__", (None,))[0]


def written(key: Key, value: Any) -> str:
    """A file that sets one key."""
    many = getattr(key.type, "__origin__", None) is tuple
    toml = json.dumps([value] if many else value)
    table, _, name = key.name.rpartition(".")
    return f"[{table}]\n{name} = {toml}\n" if table else f"{name} = {toml}\n"


@pytest.mark.parametrize("key", keys(str, Path), ids=lambda key: key.name)
@pytest.mark.parametrize(
    "bad", ["a\0b", "/a\0b", "/a\nb", "/a\x1b[2J", "/a\x7f", "/a\x9b31m", LONG]
)
def test_texts_with_control_characters_or_too_many_bytes_are_refused(
    tmp_path: Path, key: Key, bad: str
) -> None:
    assert key.name in complaint(tmp_path / "c.toml", written(key, bad))


@pytest.mark.parametrize(
    ("key", "bad", "reason"),
    [
        (name, bad, reason)
        for bad, reason in [
            ("/", "must not be the root of the file system"),
            ("/" + "x" * 300, "has a name longer than the 255 bytes"),
            ("/" + "/".join(["x" * 100] * 6), "is longer than 512 bytes"),
        ]
        for name in ("server.root", "server.run_root", "network.netns_dir")
    ]
    + [
        ("server.socket", "/", "must not be the root"),
        ("image.registries_conf", "/", "must not be the root"),
        ("cni_config_dir", "/" + "x" * 256, "has a name longer than the 255 bytes"),
        ("conmon_path", "/" + "x" * 256, "has a name longer than the 255 bytes"),
        ("network.bridge", "lo", "must be an interface name"),
        ("network.bridge", "..", "must be an interface name"),
        ("network.bridge", "br%d", "must be an interface name"),
        ("network.bridge", "a b", "must be an interface name"),
        ("network.subnet", "10.1.1.1/32", "must have room for a gateway and a pod"),
        ("network.subnet", "0.0.0.0/0", "no larger than a /8"),
        ("network.subnet", "127.0.0.0/16", "is of addresses that no pod can have"),
        ("network.subnet", "224.0.0.0/16", "is of addresses that no pod can have"),
        ("network.subnet", "fe80::/64", "is of addresses that no pod can have"),
        ("image_default_transport", "no transport", "must be a transport"),
        ("cni_default_network", "a/b", "must be the name of a network"),
    ],
)
def test_values_that_the_kernel_or_a_tool_would_refuse_are_refused(
    tmp_path: Path, key: str, bad: str, reason: str
) -> None:
    assert reason in complaint(tmp_path / "c.toml", written(KEYS[key], bad))


@pytest.mark.parametrize("key", keys(int, float), ids=lambda key: key.name)
@pytest.mark.parametrize(
    "number",
    [
        "9223372036854775808",
        "-9223372036854775809",
        "1" + "0" * 400,
        "9" * 5000,
        "inf",
        "nan",
        "-inf",
    ],
)
def test_too_large_numbers_are_refused(tmp_path: Path, key: Key, number: str) -> None:
    table, _, name = key.name.rpartition(".")
    text = f"[{table}]\n{name} = {number}\n" if table else f"{name} = {number}\n"
    complaint(tmp_path / "c.toml", text)


def test_the_largest_numbers_are_accepted(tmp_path: Path) -> None:
    text = "max_log_size = 9223372036854775807\n[containers]\npids_limit = 4194304\n"
    (tmp_path / "c.toml").write_text(text + "[network]\nadd_timeout = 31536000\n")
    config = load(tmp_path / "c.toml", places=NOWHERE)
    assert (config.max_log_size, config.containers.pids_limit) == ((1 << 63) - 1, 1 << 22)
    assert config.network.add_timeout == 31536000.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "[" * 5000, "not valid TOML"),
        ("a = " + "[" * 5000 + "]" * 5000, "not valid TOML: nested too deeply"),
        (".".join(["a"] * 5000) + " = 1", "not valid TOML: nested too deeply"),
        ("a = " + "9" * 5000, "not valid TOML: Exceeds the limit"),
        ("#" * (1 << 20), "is larger than 262144 bytes"),
        ("namespace = 'a'\0", "has a NUL character"),
        (b"\xff", "is not UTF-8"),
        ("x" * 100_000 + " = 1", "unknown key x"),
        ("namespace = " + "9" * 4000, "expected a string, found an integer (99999"),
        ("hooks_dir = [" + "'/x', " * 65 + "]", "has 65 entries, 64 are allowed"),
        ("".join(f"[runtimes.x{n}]\npath = '/x'\n" for n in range(40)), "32 are allowed"),
        ("static_dir = '/srv/x'\ntmp_dir = '/srv/x'", "must not be server.root"),
        ("static_dir = '/" + "x/" * 300 + "'", "server.root: is longer than 512 bytes"),
    ],
)
def test_a_hostile_file_is_refused(tmp_path: Path, text: str | bytes, reason: str) -> None:
    assert reason in complaint(tmp_path / "c.toml", text)


def test_a_fifo_or_a_device_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.toml")
    for file in (tmp_path / "fifo.toml", tmp_path):
        with pytest.raises(ConfigError, match="is not a regular file"):
            load(file, places=NOWHERE)
    places = Places(own=Path("/nowhere"), drop_ins=tmp_path, libpod=())
    with pytest.raises(ConfigError, match=r"fifo.toml: is not a regular file"):
        load(None, places=places)


def test_the_lines_of_a_long_value_are_found_quickly(tmp_path: Path) -> None:
    lines = "\n".join(f"  # {n}" for n in range(20_000))
    text = f'hooks_dir = [\n{lines}\n  "/x",\n]\nnamespac = "x"\n'
    assert "20004: unknown key namespac" in complaint(tmp_path / "c.toml", text)


TEXTS = st.one_of(
    st.text(st.characters(), max_size=300),
    st.text("/.x:%\0\n ", max_size=300).map(lambda text: f"/{text}"),
    st.integers(1, 600).map(lambda n: "/" + "x/" * n),
)
VALUES = st.one_of(
    TEXTS,
    st.lists(TEXTS, max_size=5),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(),
    st.booleans(),
)


@given(st.sampled_from(sorted(KEYS)), VALUES)
def test_a_flag_is_refused_with_a_sentence_or_is_usable(name: str, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        config = load(overrides={name: text}, places=NOWHERE)
    except ConfigError as e:
        assert name in str(e) or len(str(e)) == 4096
        return
    assert usable(config)


def usable(config: Config) -> bool:
    paths = [config.server.root, config.server.run_root, config.server.socket]
    assert all(path.is_absolute() and b"\0" not in bytes(path) for path in paths)
    times = [
        config.server.shutdown_grace,
        config.network.add_timeout,
        config.streaming.idle_timeout,
    ]
    return all(math.isfinite(time) and time >= 0 for time in times)
