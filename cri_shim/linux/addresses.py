"""The addresses of an interface in a network namespace, as the processes in it see them."""

import errno
import fcntl
import socket
import struct
from pathlib import Path

from cri_shim.linux import nsenter

_SIOCGIFADDR = 0x8915
_LINK_LOCAL = "20"  # the scope in /proc/net/if_inet6


def of_interface(netns: Path, name: str) -> list[str]:
    """Return the addresses without prefix length and link-local ones, IPv4 first.

    Raises NotFound if there is no namespace, and OSError.
    """
    return nsenter.in_netns(netns, lambda: [*_ipv4(name), *_ipv6(name)])


def _ipv4(name: str) -> list[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        request = struct.pack("16s24x", name.encode())
        try:
            answer = fcntl.ioctl(sock, _SIOCGIFADDR, request)
        except OSError as e:
            if e.errno == errno.EADDRNOTAVAIL:
                return []
            raise
    return [socket.inet_ntoa(answer[20:24])]


def _ipv6(name: str) -> list[str]:
    """Parse lines of `ADDRESS INDEX LENGTH SCOPE FLAGS NAME`; without IPv6 there is no file."""
    try:
        text = Path("/proc/thread-self/net/if_inet6").read_text()
    except FileNotFoundError:
        return []
    lines = [line.split() for line in text.splitlines()]
    return [
        socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line[0]))
        for line in lines
        if line[5] == name and line[3] != _LINK_LOCAL
    ]
