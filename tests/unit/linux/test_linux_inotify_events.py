"""The bytes of an inotify descriptor as events."""

import struct

from cri_shim.linux import inotify

IN_Q_OVERFLOW = 0x4000  # as <sys/inotify.h> has it


def raw(wd: int, mask: int, name: bytes = b"") -> bytes:
    return struct.pack("iIII", wd, mask, 0, len(name)) + name


def test_events_in_one_read_are_separated() -> None:
    data = raw(1, inotify.IN_CREATE, b"a.conf\0\0") + raw(2, inotify.IN_DELETE_SELF)
    assert inotify.parse(data) == [
        inotify.Event(1, inotify.IN_CREATE, "a.conf"),
        inotify.Event(2, inotify.IN_DELETE_SELF, ""),
    ]


def test_an_empty_read_has_no_event() -> None:
    assert inotify.parse(b"") == []


def test_an_overflow_of_the_queue_is_an_event() -> None:
    (event,) = inotify.parse(raw(-1, IN_Q_OVERFLOW))
    assert event.wd == -1
    assert event.mask & IN_Q_OVERFLOW


def test_a_name_that_is_not_utf8_survives() -> None:
    (event,) = inotify.parse(raw(1, inotify.IN_CREATE, b"\xff\0"))
    assert event.name.encode("utf-8", "surrogateescape") == b"\xff"
