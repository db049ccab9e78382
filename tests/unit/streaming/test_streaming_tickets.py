"""Tickets work once, for a minute, and there are never too many."""

import pytest

from cri_shim.errors import ResourceExhausted
from cri_shim.streaming.tickets import LIMIT, TTL_S, Tickets


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_ticket_works_once():
    tickets: Tickets[str] = Tickets(Clock())
    token = tickets.issue("exec")
    assert tickets.take(token) == "exec"
    assert tickets.take(token) is None


def test_a_ticket_is_void_after_its_time():
    clock = Clock()
    tickets: Tickets[str] = Tickets(clock)
    early, late = tickets.issue("early"), tickets.issue("late")
    clock.now += TTL_S - 1
    assert tickets.take(late) == "late"
    clock.now += 1
    assert tickets.take(early) is None


def test_what_was_never_issued_is_no_ticket():
    tickets: Tickets[str] = Tickets(Clock())
    assert tickets.take("") is None
    assert tickets.take("x" * 24) is None


def test_tokens_are_long_different_and_need_no_quoting():
    tickets: Tickets[int] = Tickets(Clock())
    tokens = {tickets.issue(n) for n in range(500)}
    assert len(tokens) == 500
    assert all(len(t) == 24 and t.replace("-", "").replace("_", "").isalnum() for t in tokens)


def test_above_the_limit_none_is_issued_until_old_ones_expire():
    clock = Clock()
    tickets: Tickets[int] = Tickets(clock)
    for n in range(LIMIT):
        tickets.issue(n)
    with pytest.raises(ResourceExhausted, match="1000"):
        tickets.issue(-1)
    clock.now += TTL_S
    assert tickets.take(tickets.issue(1)) == 1
