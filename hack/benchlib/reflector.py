"""A link with a delay and a rate, for a kernel without netem: a TUN device that returns packets.

A packet from NEAR to FAR leaves by the device. It waits as long as the link would hold it, and
comes back from FAR to NEAR: both addresses are exchanged, which does not change a checksum of TCP.
So a server on NEAR is reached at FAR, over the link. Both directions share the rate.
"""

import fcntl
import os
import select
import struct
import sys
import time
from collections import deque

NEAR = "10.99.0.1"
FAR = "10.99.0.2"
DEVICE = "slow0"
_TUNSETIFF = 0x400454CA  # <linux/if_tun.h>
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_PACKET = 65_536  # bytes, at most
_QUEUE = 10_000  # packets: more than the link holds at once
_ADDRESSES = slice(12, 20)  # of the IPv4 header, RFC 791: source, then destination


def device() -> int:
    """Make the TUN device in this network namespace; return its descriptor, which keeps it."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
    return tun


def exchanged(packet: bytes) -> bytes:
    """Return the IPv4 packet with its source as destination, and the reverse."""
    addresses = packet[_ADDRESSES]
    return packet[:12] + addresses[4:] + addresses[:4] + packet[20:]


class Link:
    """What is on the way: packets leave in order, each when the link has carried it.

    `rate` is in bytes a second, `delay` in seconds, for one direction.
    """

    def __init__(self, rate: float, delay: float) -> None:
        self._rate, self._delay = rate, delay
        self._free = 0.0  # when the last bit of the last packet is on the link
        self._packets: deque[tuple[float, bytes]] = deque()

    def put(self, packet: bytes, now: float) -> None:
        """Take a packet; drop it if the queue is full, as a router does."""
        if len(self._packets) < _QUEUE:
            self._free = max(self._free, now) + len(packet) / self._rate
            self._packets.append((self._free + self._delay, packet))

    def arrived(self, now: float) -> list[bytes]:
        """Return the packets whose time is over."""
        found: list[bytes] = []
        while self._packets and self._packets[0][0] <= now:
            found.append(self._packets.popleft()[1])
        return found

    def wait(self, now: float) -> float | None:
        """Return the seconds until the next packet arrives; None if there is none."""
        return max(0.0, self._packets[0][0] - now) if self._packets else None


def run(tun: int, link: Link) -> None:
    """Carry the packets of the device until the process ends."""
    os.set_blocking(tun, False)
    while True:
        select.select([tun], [], [], link.wait(time.monotonic()))
        now = time.monotonic()
        for packet in _read(tun):
            if packet[0] >> 4 == 4:  # IPv4; the kernel sends some of IPv6 by itself
                link.put(exchanged(packet), now)
        for packet in link.arrived(time.monotonic()):
            os.write(tun, packet)


def _read(tun: int) -> list[bytes]:
    packets: list[bytes] = []
    try:
        while len(packets) < 64:  # and no more: others are due
            packets.append(os.read(tun, _PACKET))
    except BlockingIOError:
        pass
    return packets


if __name__ == "__main__":
    run(int(sys.argv[1]), Link(float(sys.argv[2]), float(sys.argv[3])))
