"""/proc/net/dev: the bytes and packets that each network interface has received and sent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interface:
    """Counters since the interface was made."""

    name: str
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


def parse(text: str) -> list[Interface]:
    """Parse the interfaces of a /proc/net/dev, in its order; two lines of headings come first."""
    found = []
    for line in filter(None, text.split("\n")[2:]):  # a name may have other line separators
        name, _, rest = line.rpartition(":")
        n = [int(word) for word in rest.split()]
        found.append(Interface(name.lstrip(" "), *n[0:4], *n[8:12]))
    return found
