"""The keys of [runtimes.NAME] beside the path."""

from pathlib import Path

import pytest

from cri_shim.cli import config_text
from cri_shim.config import Config, Places, load
from cri_shim.config.schema import HANDLER_KEYS, handler_values
from cri_shim.errors import ConfigError

NOWHERE = Places(own=Path("/nowhere"), drop_ins=Path("/nowhere"), libpod=())


def loaded(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "c.toml"
    file.write_text(text)
    return load(file, places=NOWHERE)


def test_a_known_handler_keeps_its_path_beside_other_keys(tmp_path: Path) -> None:
    config = loaded(tmp_path, "[runtimes.crun]\ncontainer_min_memory = 5\n")
    crun = config.runtimes["crun"]
    assert (crun.path, crun.container_min_memory) == (Config().runtimes["crun"].path, 5)
    assert config.origin["runtimes.crun.path"] == "default"
    assert config.origin["runtimes.crun.container_min_memory"].endswith("c.toml:2")
    assert config.runtimes["runc"] == Config().runtimes["runc"]


def test_a_handler_of_runtime_path_keeps_its_other_keys(tmp_path: Path) -> None:
    text = 'runtime_path = ["/opt/crun"]\n[runtimes.crun]\nseccomp_profile = "/etc/s.json"\n'
    crun = loaded(tmp_path, text).runtimes["crun"]
    assert (crun.path, crun.seccomp_profile) == (("/opt/crun",), "/etc/s.json")


def test_every_key_of_every_handler_has_a_value_and_an_origin(tmp_path: Path) -> None:
    text = 'runtime_path = ["/opt/mine"]\n[runtimes.other]\npath = "/opt/other"\n'
    config = loaded(tmp_path, text)
    names = set(handler_values(config.runtimes))
    assert len(names) == len(HANDLER_KEYS) * len(("mine", "other", "crun", "runc"))
    assert names <= set(config.origin)


def test_the_printed_configuration_is_read_back_with_the_same_handlers(tmp_path: Path) -> None:
    text = (
        '[runtimes.other]\npath = "/opt/other"\nallowed_annotations = ["a/*"]\n'
        'default_annotations = ["x=1"]\nprivileged_without_host_devices = true\n'
    )
    config = loaded(tmp_path, text)
    again = loaded(tmp_path, config_text.whole(config, docs=True))
    assert dict(again.runtimes) == dict(config.runtimes)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[runtimes.new]\ncontainer_min_memory = 5", ":2: runtimes.new.path: must name at least"),
        ("[runtimes.crun]\npath = []", ":2: runtimes.crun.path: must name at least"),
        ("[runtimes.crun]\ncontainer_min_memory = -1", "container_min_memory: must be from 0"),
        ("[runtimes.crun]\nseccomp_profile = 's.json'", "must be an absolute path"),
        ("[runtimes.crun]\nallowed_annotations = ['']", "must not have an empty entry"),
        ("[runtimes.crun]\ndefault_annotations = ['x']", "must be NAME=VALUE"),
        ("[runtimes.crun]\nseccomp_profil = ''", "did you mean runtimes.crun.seccomp_profile"),
        ("[runtimes.crun.path]\nx = 1", "unknown key"),
    ],
)
def test_a_wrong_key_of_a_handler_is_refused_by_file_and_line(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as e:
        loaded(tmp_path, text)
    assert problem in str(e.value)
