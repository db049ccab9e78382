"""The addresses of an interface in a network namespace, as the processes in it see them."""

import errno
import fcntl
import os
import socket
import struct
import threading
from pathlib import Path

from cri_shim.linux import syscalls

_SIOCGIFADDR = 0x8915
_LINK_LOCAL = "20"  # the scope in /proc/net/if_inet6


def of_interface(netns: Path, name: str) -> list[str]:
    """Return the addresses without prefix length and without link-local ones, IPv4 first. OSError.

    A thread of its own joins the namespace, reads the addresses and ends.
    """
    found: list[str] = []
    failure: list[OSError] = []

    def look() -> None:
        try:
            fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
            try:
                syscalls.setns(fd, syscalls.CLONE_NEWNET, netns)
            finally:
                os.close(fd)
            found.extend([*_ipv4(name), *_ipv6(name)])
        except OSError as e:
            failure.append(e)

    thread = threading.Thread(target=look, name="addresses")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return found


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
    """Parse lines of `ADDRESS INDEX LENGTH SCOPE FLAGS NAME`; the file needs IPv6."""
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
