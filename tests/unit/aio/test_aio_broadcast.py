"""One publisher and many readers; a slow reader does not delay another."""

import asyncio

import pytest

from cri_shim.aio.broadcast import Broadcast, Subscription
from cri_shim.errors import ResourceExhausted


async def _rest(subscription: Subscription[int]) -> list[int]:
    return [item async for item in subscription]


async def test_every_subscriber_gets_everything_in_order() -> None:
    source = Broadcast[int](10)
    one, two = source.subscribe(), source.subscribe()
    for item in range(5):
        source.publish(item)
    source.close()
    assert await _rest(one) == await _rest(two) == [0, 1, 2, 3, 4]


async def test_a_new_item_wakes_a_waiting_reader() -> None:
    source = Broadcast[int](10)
    async with source.subscribe() as subscription:
        waiting = asyncio.create_task(anext(subscription))
        await asyncio.sleep(0)
        source.publish(7)
        assert await waiting == 7


async def test_a_slow_subscriber_gets_the_queued_items_and_then_an_error() -> None:
    source = Broadcast[int](2)
    slow = source.subscribe()
    for item in range(5):
        source.publish(item)
    assert [await anext(slow), await anext(slow)] == [0, 1]
    with pytest.raises(ResourceExhausted, match="too far behind"):
        await anext(slow)


async def test_a_slow_subscriber_does_not_delay_the_others() -> None:
    source = Broadcast[int](2)
    slow, quick = source.subscribe(), source.subscribe()
    got = []
    for item in range(5):
        source.publish(item)
        got.append(await anext(quick))
    assert got == [0, 1, 2, 3, 4]
    assert await anext(slow) == 0


async def test_the_subscription_ends_with_the_block() -> None:
    source = Broadcast[int](2)
    async with source.subscribe():
        assert source
    assert not source


async def test_a_dropped_subscriber_is_no_longer_counted() -> None:
    source = Broadcast[int](1)
    source.subscribe()
    source.publish(1)
    source.publish(2)
    assert not source


async def test_a_subscription_after_the_end_ends_at_once() -> None:
    source = Broadcast[int](2)
    source.close()
    assert await _rest(source.subscribe()) == []


async def test_the_limit_is_of_the_items_weight_and_a_single_item_may_exceed_it() -> None:
    source = Broadcast[bytes](10, len)
    subscription = source.subscribe()
    source.publish(b"x" * 20)
    assert await anext(subscription) == b"x" * 20
    source.publish(b"x" * 6)
    source.publish(b"x" * 4)
    source.publish(b"x")
    assert [await anext(subscription), await anext(subscription)] == [b"x" * 6, b"x" * 4]
    with pytest.raises(ResourceExhausted):
        await anext(subscription)
