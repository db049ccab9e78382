"""The open files of processes."""

import os
import socket

from cri_shim.linux import descriptors

LIMITS = (
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max cpu time              unlimited            unlimited            seconds   \n"
    "Max open files            1024                 1048576              files     \n"
)


def test_open_files_and_sockets_are_counted() -> None:
    before, sockets_before = descriptors.count(os.getpid())
    with socket.socket(), open(os.devnull):  # noqa: PTH123
        after, sockets_after = descriptors.count(os.getpid())
    assert (after - before, sockets_after - sockets_before) == (2, 1)


def test_an_ended_process_has_no_descriptors() -> None:
    assert descriptors.count(0) == (0, 0)
    assert descriptors.open_files_limit(0) is None


def test_a_limit_is_found_by_name_and_unlimited_is_none() -> None:
    assert descriptors.parse_limit(LIMITS, "Max open files") == 1024
    assert descriptors.parse_limit(LIMITS, "Max cpu time") is None
    assert descriptors.parse_limit(LIMITS, "Max") is None
    assert descriptors.parse_limit("", "Max open files") is None


def test_a_device_without_a_name_is_named_by_its_numbers() -> None:
    assert descriptors.device_name("0:99999") == "0:99999"
