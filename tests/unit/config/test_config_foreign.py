"""Files of other runtimes are recognised by their keys, and files that are ours are not."""

from pathlib import Path

import pytest

from cri_shim.config import foreign

FILE = Path("/etc/x/config.toml")


@pytest.mark.parametrize(
    ("keys", "whose"),
    [
        ({"version", "root", "state", "plugins"}, "containerd"),
        ({"oom_score"}, "containerd"),
        ({"crio"}, "CRI-O"),
        ({"server", "network", "state", "namespace"}, ""),
        (set(), ""),
    ],
)
def test_the_keys_of_a_file_show_whose_it_is(keys: set[str], whose: str) -> None:
    said = foreign.of_keys(FILE, keys)
    assert bool(said) == bool(whose)
    assert whose in said
    assert not whose or f"--from-{whose.lower().replace('-', '')} {FILE}`" in said


@pytest.mark.parametrize(
    ("text", "docker"), [('{"debug": true}', True), ("{", False), ("[server]", False), ("", False)]
)
def test_a_json_object_is_dockers(text: str, docker: bool) -> None:
    assert bool(foreign.of_text(FILE, text)) is docker
