"""Layers that are kept for the next try of a pull."""

from cri_shim.store.fetching.grace import Grace
from tests.fixtures.waiting import until


async def test_layers_are_kept_for_the_time_and_then_collected() -> None:
    collected: list[bool] = []
    grace = Grace(0.05, lambda: collected.append(True))
    grace.keep(["a", "b"])
    assert grace.held == {"a", "b"}
    await until(lambda: len(collected) == 2)
    assert grace.held == set()


async def test_a_later_failure_begins_the_time_again_and_an_image_ends_it() -> None:
    grace = Grace(60, lambda: None)
    grace.keep(["a", "b"])
    grace.keep(["a"])
    grace.release(["b", "not kept"])
    assert grace.held == {"a"}
    grace.close()
    assert grace.held == set()


async def test_no_time_keeps_nothing() -> None:
    grace = Grace(0, lambda: None)
    grace.keep(["a"])
    assert grace.held == set()
