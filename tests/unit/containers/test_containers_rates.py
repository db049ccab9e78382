"""CPU rates from two looks."""

from cri_shim.containers.rates import Rates

S = 1_000_000_000


def test_the_first_look_has_no_rate() -> None:
    assert Rates().seen("c", 0, 5) is None


def test_the_second_look_has_nanoseconds_a_second() -> None:
    rates = Rates()
    rates.seen("c", 0, 0)
    assert rates.seen("c", 2 * S, S) == S // 2


def test_looks_in_quick_succession_get_the_last_rate() -> None:
    rates = Rates()
    rates.seen("c", 0, 0)
    rates.seen("c", S, S)
    assert rates.seen("c", S + 1, S + 1) == S
    assert rates.seen("c", 2 * S, S) == 0


def test_a_counter_or_clock_that_goes_back_restarts_the_rate() -> None:
    rates = Rates()
    rates.seen("c", 5 * S, 5 * S)
    assert rates.seen("c", 7 * S, S) is None
    assert rates.seen("c", 6 * S, 2 * S) is None
    assert rates.seen("c", 7 * S, 2 * S) == 0


def test_an_unknown_counter_has_no_rate() -> None:
    assert Rates().seen("c", 0, None) is None


def test_a_forgotten_container_begins_anew() -> None:
    rates = Rates()
    rates.seen("c", 0, 0)
    rates.forget("c")
    assert rates.seen("c", 2 * S, S) is None
