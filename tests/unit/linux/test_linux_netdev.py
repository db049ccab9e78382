"""Counters of network interfaces from the kernel's table."""

import pytest

from cri_shim.linux import netdev
from cri_shim.linux.netdev import Interface

TEXT = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop"
    " fifo colls carrier compressed\n"
    "    lo:       0       0    0    0    0     0          0         0        0       0    0    0"
    "    0     0       0          0\n"
    "  eth0:     962      13    1    2    0     0          0         0     3586      43    3    4"
    "    0     0       0          0\n"
    "vlan:7:1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n"
)


@pytest.mark.parametrize("odd", ["\x1c", "\x85", "\u2028", "\\xff", "\x7f", "\x1b[31m"])
def test_an_interface_name_may_contain_line_separators(odd: str) -> None:
    for name in (odd, f"d{odd}x"):
        found = netdev.parse(f"one\ntwo\n {name}: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n")
        assert found == [Interface(name, 1, 2, 3, 4, 5, 6, 7, 8)]


def test_each_interface_has_its_counters_both_ways() -> None:
    _, eth0, vlan = netdev.parse(TEXT)
    assert eth0 == Interface("eth0", 962, 13, 1, 2, 3586, 43, 3, 4)
    assert vlan == Interface("vlan:7", 1, 2, 3, 4, 5, 6, 7, 8)
