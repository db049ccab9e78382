"""The limits of sessions: frames without data, memory, and slots."""

import pytest

from cri_shim.errors import ResourceExhausted
from cri_shim.streaming import slots as slots_module
from cri_shim.streaming.flood import BURST, CREDIT, RATE, FloodLimit
from cri_shim.streaming.memory import FAIR, Pool
from cri_shim.streaming.slots import COSTS, SHARE, Slots


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


# -- flood --------------------------------------------------------------------------------------


def test_a_burst_of_frames_without_data_is_bounded() -> None:
    limit = FloodLimit(Clock())
    assert limit.idle(BURST)
    assert not limit.idle(1)


def test_frames_without_data_are_accepted_at_the_rate() -> None:
    clock = Clock()
    limit = FloodLimit(clock)
    for _ in range(100):
        clock.now += 1
        assert limit.idle(int(RATE))
    clock.now += 1
    assert limit.idle(BURST)
    assert not limit.idle(1)


def test_a_frame_with_data_pays_for_frames_without_data() -> None:
    limit = FloodLimit(Clock())
    for _ in range(10 * BURST):
        assert limit.idle(CREDIT)
        limit.moved()


def test_frames_with_data_give_no_credit_for_later() -> None:
    limit = FloodLimit(Clock())
    for _ in range(1000):
        limit.moved()
    assert not limit.idle(BURST + 1)


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


def test_above_the_total_limit_shares_above_the_fair_share_are_full() -> None:
    pool = Pool(10 * FAIR)
    told: dict[str, list[bool]] = {name: [] for name in ("small", "large", "last")}
    small, large, last = (pool.share(100 * FAIR, told[name].append) for name in told)
    small.hold(FAIR)
    large.hold(8 * FAIR)
    last.hold(2 * FAIR)
    assert told == {"small": [], "large": [True], "last": [True]}
    large.hold(0)
    assert told == {"small": [], "large": [True, False], "last": [True, False]}


def test_bytes_that_are_given_back_are_not_counted() -> None:
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


def test_the_sessions_of_a_pod_are_bounded_and_the_error_names_the_key() -> None:
    slots = Slots(10, 2, 1 << 20)
    first = slots.take("a", "exec")
    slots.take("a", "attach")
    with pytest.raises(ResourceExhausted, match=r"pod a has 2 .*streaming\.max_sessions_per_pod"):
        slots.take("a", "exec")
    slots.take("b", "exec")
    first.free()
    slots.take("a", "portforward")


def test_the_sessions_of_a_node_are_bounded_and_the_error_names_the_key() -> None:
    slots = Slots(3, 2, 1 << 20)
    taken = [slots.take(pod, "exec") for pod in "abc"]
    with pytest.raises(ResourceExhausted, match=r"3 .* on this node .*streaming\.max_sessions:"):
        slots.take("d", "exec")
    taken[0].free()
    taken[0].free()
    slots.take("d", "exec")
    with pytest.raises(ResourceExhausted):
        slots.take("e", "exec")


def test_sessions_have_a_share_of_the_descriptors() -> None:
    limit = 2 * SHARE * COSTS["exec"]
    slots = Slots(1000, 100, limit)
    first = slots.take("a", "exec")
    slots.take("b", "exec")
    with pytest.raises(ResourceExhausted, match=f"sessions may have {limit // SHARE}.*LimitNOFILE"):
        slots.take("c", "portforward")
    assert "no descriptor is left" in slots.connect()
    first.free()
    slots.take("c", "portforward")
    assert slots.connect() == ""


def test_forwarded_connections_are_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "MAX_CONNECTIONS", 2)
    slots = Slots(10, 10, 1 << 20)
    assert [slots.connect(), slots.connect()] == ["", ""]
    assert "have 2, and no more are taken" in slots.connect()
    slots.disconnect()
    assert slots.connect() == ""
