"""Packets of the slow link come back in order, when the link has carried them."""

import struct

import pytest

from hack.benchlib.reflector import Link, exchanged

SOURCE, DESTINATION = bytes([10, 99, 0, 1]), bytes([10, 99, 0, 2])


def header(source: bytes, destination: bytes) -> bytes:
    return struct.pack("!BBHHHBBH", 0x45, 0, 24, 1, 0, 64, 6, 0) + source + destination


def test_the_addresses_are_exchanged_and_nothing_else_changes() -> None:
    packet = header(SOURCE, DESTINATION) + b"data"
    assert exchanged(packet) == header(DESTINATION, SOURCE) + b"data"


def test_a_packet_arrives_after_its_time_on_the_link_and_the_delay() -> None:
    link = Link(rate=1000, delay=0.5)
    link.put(b"x" * 100, now=10.0)
    link.put(b"y" * 100, now=10.0)
    assert link.wait(10.0) == pytest.approx(0.6)
    assert link.arrived(10.59) == []
    assert link.arrived(10.61) == [b"x" * 100]
    assert link.arrived(10.71) == [b"y" * 100]
    assert link.wait(10.71) is None


def test_a_link_that_was_idle_does_not_save_time_for_later() -> None:
    link = Link(rate=1000, delay=0.0)
    link.put(b"x" * 100, now=10.0)
    assert link.arrived(20.0) == [b"x" * 100]
    link.put(b"y" * 100, now=20.0)
    assert link.wait(20.0) == pytest.approx(0.1)


def test_a_full_queue_drops_packets() -> None:
    link = Link(rate=1e9, delay=1.0)
    for _ in range(10_001):
        link.put(b"x", now=0.0)
    assert len(link.arrived(5.0)) == 10_000
