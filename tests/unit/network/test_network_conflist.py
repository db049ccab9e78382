"""Reading and checking the files of a CNI configuration directory."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import ConfigError
from cri_shim.network import conflist, versions


def write(directory: Path, name: str, document: Any) -> Path:
    path = directory / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_files_are_taken_in_the_order_of_their_names(tmp_path):
    write(tmp_path, "20.conflist", {"name": "b", "plugins": [{"type": "p"}]})
    write(tmp_path, "10.conf", {"name": "a", "type": "p"})
    write(tmp_path, "30.json", {"name": "c", "type": "p"})
    write(tmp_path, "05.txt", "not ours")

    loaded = conflist.load(tmp_path)

    assert [network.name for network in loaded.networks] == ["a", "b", "c"]
    assert (loaded.files, loaded.problems) == (3, ())


def test_a_single_plugin_becomes_a_list_of_one(tmp_path):
    single = {"cniVersion": "0.4.0", "name": "a", "type": "p", "mtu": 9000}

    network = conflist.read(write(tmp_path, "a.conf", single))

    assert (network.version, network.plugins) == ("0.4.0", (single,))


def test_of_two_files_with_one_name_the_first_wins_and_the_other_is_a_problem(tmp_path):
    first = write(tmp_path, "1.conflist", {"name": "a", "plugins": [{"type": "one"}]})
    second = write(tmp_path, "2.conflist", {"name": "a", "plugins": [{"type": "two"}]})

    loaded = conflist.load(tmp_path)

    assert [network.source for network in loaded.networks] == [str(first)]
    assert loaded.problems == (f"{second}: network 'a' is already defined by {first}",)


def test_a_special_file_is_a_problem_and_directories_are_skipped(tmp_path):
    (tmp_path / "a.conf").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "b.conf")
    (tmp_path / "c.conf").mkdir()

    loaded = conflist.load(tmp_path)

    assert loaded.problems == (
        f"{tmp_path}/a.conf: No such file or directory",
        f"{tmp_path}/b.conf: is not a regular file",
    )


def test_a_missing_directory_holds_nothing(tmp_path):
    assert conflist.load(tmp_path / "gone") == conflist.Loaded(0, (), ())


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("", "not JSON"),
        ('{"name": "a", "plu', "not JSON"),
        ("[]", "not a JSON object"),
        ({"plugins": [{"type": "p"}]}, "name None"),
        ({"name": "../etc", "plugins": [{"type": "p"}]}, "is not a network name"),
        ({"name": "a", "plugins": []}, "at least one plugin"),
        ({"name": "a", "plugins": {}}, "plugins is not a list"),
        ({"name": "a", "plugins": [{}]}, "plugins[0].type"),
        ({"name": "a", "plugins": [{"type": "../../bin/sh"}]}, "plugins[0].type"),
        ({"name": "a", "plugins": ["p"]}, "plugins[0] is not an object"),
        ({"name": "a", "cniVersion": "2.0.0", "plugins": [{"type": "p"}]}, "speaks up to 1.1.0"),
        ({"name": "a", "cniVersion": "one", "plugins": [{"type": "p"}]}, "'one' is not a CNI"),
        ({"name": "a", "cniVersions": "1.0.0", "plugins": [{"type": "p"}]}, "not a list"),
        ({"name": "a", "disableCheck": 1, "plugins": [{"type": "p"}]}, "disableCheck"),
    ],
)
def test_a_bad_file_is_a_problem_that_names_it(tmp_path, document, complaint):
    path = write(tmp_path, "a.conflist", document)

    loaded = conflist.load(tmp_path)

    assert loaded.networks == ()
    assert loaded.problems[0].startswith(f"{path}: ")
    assert complaint in loaded.problems[0]


def test_the_error_of_a_list_in_a_conf_file_names_the_right_ending(tmp_path):
    path = write(tmp_path, "a.conf", {"name": "a", "plugins": [{"type": "p"}]})

    with pytest.raises(ConfigError, match="needs the ending"):
        conflist.read(path)


def test_the_newest_supported_version_comes_first(tmp_path):
    document = {
        "name": "a", "cniVersion": "0.4.0", "cniVersions": ["1.2.0", "1.0.0", "1.1.0"],
        "plugins": [{"type": "p"}],
    }  # fmt: skip

    network = conflist.read(write(tmp_path, "a.conflist", document))

    assert network.versions == ("1.1.0", "1.0.0", "0.4.0")


def test_without_a_version_the_first_one_is_assumed():
    assert versions.usable([""]) == ("0.1.0",)


def test_plugins_in_the_directory_of_the_network_are_appended_in_order(tmp_path):
    document = {"name": "a", "plugins": [{"type": "p"}]}
    path = write(tmp_path, "a.conflist", document)
    (tmp_path / "a").mkdir()
    write(tmp_path / "a", "2.conf", {"type": "two"})
    write(tmp_path / "a", "1.conf", {"type": "one"})

    network = conflist.read(path)

    assert [plugin["type"] for plugin in network.plugins] == ["p", "one", "two"]


def test_load_only_inlined_plugins_disables_the_plugin_directory(tmp_path):
    document = {"name": "a", "loadOnlyInlinedPlugins": "true", "plugins": [{"type": "p"}]}
    path = write(tmp_path, "a.conflist", document)
    (tmp_path / "a").mkdir()
    write(tmp_path / "a", "1.conf", {"type": "one"})

    assert len(conflist.read(path).plugins) == 1


def test_a_recorded_list_reads_back_as_it_was(tmp_path):
    document = {
        "name": "a", "cniVersion": "1.0.0", "disableCheck": True,
        "plugins": [{"type": "p", "x": [1, {"y": None}]}],
    }  # fmt: skip
    network = conflist.read(write(tmp_path, "a.conflist", document))

    again = conflist.from_json(network.to_json())

    assert (again.name, again.version, again.plugins) == ("a", "1.0.0", network.plugins)
    assert again.disable_check
