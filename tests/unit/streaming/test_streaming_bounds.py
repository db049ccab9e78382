"""The bounds of sessions: patience, memory, and places."""

import pytest

from cri_shim.errors import ResourceExhausted
from cri_shim.streaming import places as module
from cri_shim.streaming.memory import FAIR, Pool
from cri_shim.streaming.patience import BURST, FORGIVEN, RATE, Patience
from cri_shim.streaming.places import COSTS, SHARE, Places


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


# -- patience -----------------------------------------------------------------------------------


def test_frames_without_data_are_taken_up_to_a_number() -> None:
    patience = Patience(Clock())
    assert patience.idle(BURST)
    assert not patience.idle(1)


def test_they_are_taken_for_ever_at_a_rate() -> None:
    clock = Clock()
    patience = Patience(clock)
    for _ in range(100):
        clock.now += 1
        assert patience.idle(int(RATE))
    clock.now += 1
    assert patience.idle(BURST)
    assert not patience.idle(1)


def test_a_frame_with_data_forgives_some() -> None:
    patience = Patience(Clock())
    for _ in range(10 * BURST):
        assert patience.idle(FORGIVEN)
        patience.moved()


def test_frames_with_data_give_no_credit_for_later() -> None:
    patience = Patience(Clock())
    for _ in range(1000):
        patience.moved()
    assert not patience.idle(BURST + 1)


# -- memory -------------------------------------------------------------------------------------


def test_a_share_is_full_above_its_limit_and_until_it_is_half_empty() -> None:
    told: list[bool] = []
    share = Pool(1 << 30).share(100, told.append)
    share.hold(100)
    assert told == []
    share.hold(101)
    share.hold(51)
    assert told == [True]
    share.hold(50)
    assert told == [True, False]


def test_when_all_hold_too_much_those_above_the_fair_share_are_full() -> None:
    pool = Pool(10 * FAIR)
    told: dict[str, list[bool]] = {name: [] for name in ("small", "large", "last")}
    small, large, last = (pool.share(100 * FAIR, told[name].append) for name in told)
    small.hold(FAIR)
    large.hold(8 * FAIR)
    last.hold(2 * FAIR)
    assert told == {"small": [], "large": [True], "last": [True]}
    large.hold(0)
    assert told == {"small": [], "large": [True, False], "last": [True, False]}


def test_what_is_given_back_is_not_held() -> None:
    pool = Pool(1000)
    shares = [pool.share(1000) for _ in range(3)]
    for share in shares:
        share.hold(300)
    assert pool.held == 900
    for share in shares:
        share.hold(0)
        share.hold(0)
    assert pool.held == 0


# -- places -------------------------------------------------------------------------------------


def test_a_pod_has_so_many_sessions_and_the_error_names_the_key() -> None:
    places = Places(10, 2, 1 << 20)
    first = places.take("a", "exec")
    places.take("a", "attach")
    with pytest.raises(ResourceExhausted, match=r"pod a has 2 .*streaming\.max_sessions_per_pod"):
        places.take("a", "exec")
    places.take("b", "exec")
    first.free()
    places.take("a", "portforward")


def test_a_node_has_so_many_sessions_and_the_error_names_the_key() -> None:
    places = Places(3, 2, 1 << 20)
    taken = [places.take(pod, "exec") for pod in "abc"]
    with pytest.raises(ResourceExhausted, match=r"3 .* on this node .*streaming\.max_sessions:"):
        places.take("d", "exec")
    taken[0].free()
    taken[0].free()
    places.take("d", "exec")
    with pytest.raises(ResourceExhausted):
        places.take("e", "exec")


def test_sessions_have_a_share_of_the_descriptors() -> None:
    limit = 2 * SHARE * COSTS["exec"]
    places = Places(1000, 100, limit)
    first = places.take("a", "exec")
    places.take("b", "exec")
    with pytest.raises(ResourceExhausted, match=f"sessions may have {limit // SHARE}.*LimitNOFILE"):
        places.take("c", "portforward")
    assert "no descriptor is left" in places.connect()
    first.free()
    places.take("c", "portforward")
    assert places.connect() == ""


def test_forwarded_connections_are_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 2)
    places = Places(10, 10, 1 << 20)
    assert [places.connect(), places.connect()] == ["", ""]
    assert "have 2, and no more are taken" in places.connect()
    places.disconnect()
    assert places.connect() == ""
