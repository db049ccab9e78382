"""Devices of `additional_devices` as Docker and CRI-O write them."""

import pytest

from cri_shim.config import devices


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("/dev/fuse", ("/dev/fuse", "/dev/fuse", "rwm")),
        ("/dev/sdc:/dev/xvdc", ("/dev/sdc", "/dev/xvdc", "rwm")),
        ("/dev/sdc:r", ("/dev/sdc", "/dev/sdc", "r")),
        ("/dev/sdc:/dev/xvdc:rw", ("/dev/sdc", "/dev/xvdc", "rw")),
        ("/dev//sdc:/dev/./x", ("/dev/sdc", "/dev/x", "rwm")),
    ],
)
def test_a_device_is_a_path_on_the_node_one_in_the_container_and_an_access(
    text: str, device: tuple[str, str, str]
) -> None:
    assert devices.parse(text) == device
    assert devices.check([text]) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "needs an absolute path"),
        ("/", "needs an absolute path"),
        ("dev/fuse", "needs an absolute path"),
        ("/dev/fuse:", "needs an absolute path"),
        ("/dev/fuse:x", "needs an absolute path"),
        ("/dev/fuse:rr", "needs an absolute path"),
        ("/dev/a:/dev/b:/dev/c", "must be HOST"),
        ("/dev/a:/dev/b:x", "must be HOST"),
        ("/dev/a:/dev/b:r:w", "must be HOST"),
        ("/dev/a:" + "b" * 5000, "needs an absolute path"),
    ],
)
def test_text_that_is_no_device_is_refused_in_words(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        devices.parse(text)
    assert problem in devices.check(["/dev/null", text])
    assert len(devices.check([text])) < 250


def test_two_devices_at_one_path_of_the_container_are_refused() -> None:
    assert devices.check(["/dev/a:/dev/c", "/dev/b:/dev/c"]) == "/dev/c is in the list twice"
