"""Devices of a pod's annotation: who may have them, and what is refused."""

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import annotated_devices

NEW, OLD = annotated_devices.NAMES
FUSE = frozenset({"/dev/fuse", "/dev/net/tun"})


def pod(**annotations: str) -> api_pb2.PodSandboxConfig:
    names = {"new": NEW, "old": OLD}
    return api_pb2.PodSandboxConfig(annotations={names[k]: v for k, v in annotations.items()})


def asked(config: api_pb2.PodSandboxConfig, *patterns: str) -> list[tuple[str, str, str]]:
    found = annotated_devices.requested(config, patterns, FUSE)
    return [(device.host_path, device.container_path, device.permissions) for device in found]


def test_an_allowed_annotation_requests_allowed_devices() -> None:
    config = pod(old="/dev/fuse, /dev/net/tun:/dev/tun:rw,")
    expected = [("/dev/fuse", "/dev/fuse", "rwm"), ("/dev/net/tun", "/dev/tun", "rw")]
    assert asked(config, OLD) == expected


def test_an_annotation_that_the_handler_does_not_allow_has_no_effect() -> None:
    assert asked(pod(old="/dev/mem")) == []
    assert asked(pod(old="/dev/mem"), NEW) == []


def test_the_new_name_wins_over_the_old_one() -> None:
    assert asked(pod(new="/dev/fuse", old="/dev/net/tun"), "*") == [
        ("/dev/fuse", "/dev/fuse", "rwm")
    ]


@pytest.mark.parametrize("path", ["/dev/mem", "/dev/fuse/../mem", "/dev", "/dev/net"])
def test_a_device_that_the_node_does_not_allow_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument, match=r"not in containers\.allowed_devices") as caught:
        asked(pod(new=path), NEW)
    assert caught.value.field == f"sandbox_config.annotations[{NEW}]"


@pytest.mark.parametrize("text", ["fuse", "/dev/fuse:/dev/x:/dev/y", "/dev/fuse:q"])
def test_a_malformed_device_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        asked(pod(new=text), NEW)


def test_the_number_of_devices_is_limited() -> None:
    with pytest.raises(InvalidArgument, match="65 devices, 64 are allowed"):
        asked(pod(new=",".join(["/dev/fuse"] * 65)), NEW)
