"""Tickets work once, and for a minute."""

from cri_shim.streaming.tickets import TTL_S, Tickets


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def forget(request: object) -> None:
    """Ignore the request."""


def test_a_ticket_works_once():
    tickets: Tickets[str] = Tickets(Clock(), forget)
    token = tickets.issue("exec")
    assert tickets.take(token) == "exec"
    assert tickets.take(token) is None


def test_a_ticket_is_void_after_its_time():
    clock = Clock()
    tickets: Tickets[str] = Tickets(clock, forget)
    early, late = tickets.issue("early"), tickets.issue("late")
    clock.now += TTL_S - 1
    assert tickets.take(late) == "late"
    clock.now += 1
    assert tickets.take(early) is None


def test_an_unknown_ticket_is_not_valid():
    tickets: Tickets[str] = Tickets(Clock(), forget)
    assert tickets.take("") is None
    assert tickets.take("x" * 24) is None


def test_tokens_are_long_different_and_need_no_quoting():
    tickets: Tickets[int] = Tickets(Clock(), forget)
    tokens = {tickets.issue(n) for n in range(500)}
    assert len(tokens) == 500
    assert all(len(t) == 24 and t.replace("-", "").replace("_", "").isalnum() for t in tokens)


def test_an_expired_request_is_reported_once():
    clock = Clock()
    expired: list[str] = []
    tickets: Tickets[str] = Tickets(clock, expired.append)
    tickets.issue("early")
    taken = tickets.issue("taken")
    clock.now += 1
    late = tickets.issue("late")
    assert tickets.take(taken) == "taken"
    clock.now += TTL_S - 1
    tickets.expire()
    assert tickets.take(late) == "late"
    clock.now += TTL_S
    tickets.expire()
    assert expired == ["early"]
