"""Moves a network interface into a network namespace, with its addresses, by rtnetlink.

The kernel drops the addresses of an interface that leaves its namespace. They are read before and
set again. What else belongs to the interface, such as its MTU, goes with it.
"""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from cri_shim.linux import nsenter

_ERROR, _DONE = 2, 3  # types of answers
_NEWLINK, _NEWADDR, _GETADDR = 16, 20, 22
_REQUEST, _ACK, _CREATE, _DUMP = 0x1, 0x4, 0x400, 0x300
_IFNAME, _NET_NS_FD = 3, 28  # attributes of links
_IFA_FLAGS = 8
_UP = 1
_PERMANENT, _GLOBAL = 0x80, 0  # flag and scope of the addresses that are kept
_KEPT = (1, 2, 4)  # IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST
_HEAD = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_CHUNK = 64 * 1024

Address = tuple[bytes, dict[int, bytes]]  # an ifaddrmsg and its attributes


def move(name: str, new_name: str, netns: Path) -> None:
    """Move the interface `name` of this namespace to another one, rename it and set it up.

    If it is not here, one that is there under the new name is enough. Raises OSError with the name,
    NotFound if there is no namespace.
    """
    try:
        index = socket.if_nametoindex(name)
    except OSError:
        if nsenter.in_netns(netns, lambda: _index(new_name)) is not None:
            return
        raise OSError(19, os.strerror(19), name) from None
    with _Socket() as here:
        kept = list(here.addresses(index))
        fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            here.ask(
                _NEWLINK,
                _LINK.pack(0, 0, index, 0, 0)
                + _attribute(_NET_NS_FD, struct.pack("=I", fd))
                + _attribute(_IFNAME, new_name.encode() + b"\0"),
                name,
            )
        finally:
            os.close(fd)
    nsenter.in_netns(netns, lambda: _set_up(new_name, kept))


def _index(name: str) -> int | None:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


def _set_up(name: str, addresses: list[Address]) -> None:
    index = socket.if_nametoindex(name)
    with _Socket() as there:
        for head, attributes in addresses:
            family, length, _, scope, _ = _ADDRESS.unpack(head)
            message = _ADDRESS.pack(family, length, _PERMANENT, scope, index)
            message += b"".join(_attribute(kind, attributes[kind]) for kind in attributes)
            there.ask(_NEWADDR, message, name, _CREATE)
        there.ask(_NEWLINK, _LINK.pack(0, 0, index, _UP, _UP), name)


class _Socket:
    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._socket.settimeout(5.0)
        self._socket.bind((0, 0))

    def __enter__(self) -> "_Socket":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, kind: int, message: bytes, about: str, flags: int = 0) -> None:
        """Send a request and wait for its acknowledgement; OSError with the name of the object."""
        self._send(kind, message, _REQUEST | _ACK | flags)
        for answer, payload in self._answers():
            if answer == _ERROR:
                (code,) = struct.unpack_from("=i", payload)
                if code:
                    raise OSError(-code, os.strerror(-code), about)
                return

    def addresses(self, index: int) -> Iterator[Address]:
        """Yield the global permanent addresses of an interface."""
        self._send(_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0), _REQUEST | _DUMP)
        for kind, payload in self._answers():
            if kind == _DONE:
                return
            if kind != _NEWADDR:
                continue
            _, _, flags, scope, of = _ADDRESS.unpack_from(payload)
            attributes = dict(_attributes(payload[_ADDRESS.size :]))
            if _IFA_FLAGS in attributes:
                (flags,) = struct.unpack_from("=I", attributes[_IFA_FLAGS])
            if of == index and scope == _GLOBAL and flags & _PERMANENT:
                kept = {kind: attributes[kind] for kind in _KEPT if kind in attributes}
                yield payload[: _ADDRESS.size], kept

    def _send(self, kind: int, message: bytes, flags: int) -> None:
        self._socket.send(_HEAD.pack(_HEAD.size + len(message), kind, flags, 1, 0) + message)

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        while True:
            data = self._socket.recv(_CHUNK)
            while len(data) >= _HEAD.size:
                length, kind, _, _, _ = _HEAD.unpack_from(data)
                if not _HEAD.size <= length <= len(data):
                    return
                yield kind, data[_HEAD.size : length]
                data = data[length + 3 & ~3 :]


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            return
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[length + 3 & ~3 :]
