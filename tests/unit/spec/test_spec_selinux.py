"""SELinux labels from the request, the node's defaults and the pod's id."""

import re
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.spec.selinux import Defaults, defaults, labels, level

POD = "a" * 64
LEVEL = level(POD)
NODE = Defaults("su:sr:container_t:s0", "su:object_r:container_file_t:s0")


def test_the_level_of_a_pod_is_its_own_and_always_the_same() -> None:
    assert re.fullmatch(r"s0:c\d+,c\d+", LEVEL)
    assert level(POD) == LEVEL
    levels = {level(f"{n:064x}") for n in range(1000)}
    assert len(levels) > 990
    pairs = [tuple(map(int, re.findall(r"c(\d+)", one))) for one in levels]
    assert all(0 <= low < high < 1024 for low, high in pairs)


@pytest.mark.parametrize(
    ("asked", "process", "mount"),
    [
        ({}, f"su:sr:container_t:{LEVEL}", f"su:object_r:container_file_t:{LEVEL}"),
        ({"level": "s0:c1"}, "su:sr:container_t:s0:c1", "su:object_r:container_file_t:s0:c1"),
        (
            {"user": "u", "role": "r", "type": "t", "level": "s0"},
            "u:r:t:s0",
            "u:object_r:container_file_t:s0",
        ),
    ],
)
def test_unset_options_are_the_nodes_defaults(
    asked: dict[str, Any], process: str, mount: str
) -> None:
    option = api.SELinuxOption(**asked)
    assert labels(option, POD, NODE, privileged=False) == (process, mount)


def test_a_privileged_process_has_only_a_requested_label() -> None:
    assert labels(api.SELinuxOption(), POD, NODE, privileged=True)[0] == ""
    asked = api.SELinuxOption(type="spc_t")
    assert labels(asked, POD, NODE, privileged=True)[0] == f"su:sr:spc_t:{LEVEL}"


def test_the_defaults_come_from_the_policys_file() -> None:
    text = '# comment\nprocess = "a:b:c:s0"\nfile = "d:e:f:s0"\nro_file="x"\n'
    assert defaults(text) == Defaults("a:b:c:s0", "d:e:f:s0")
    assert defaults("") == Defaults()
