"""What is seen of a pull."""

import asyncio

import pytest

from cri_shim.store.fetching.progress import DOWNLOADING, SHARED, LayerProgress, PullProgress, Pulls


@pytest.fixture
def pulls() -> Pulls:
    return Pulls()


def pull_of(pulls: Pulls, *totals: int) -> PullProgress:
    layers = [LayerProgress(f"sha256:{n}", total) for n, total in enumerate(totals)]
    return PullProgress("a:1", "key", pulls, layers=layers, described=10)


def test_bytes_never_fall_and_never_exceed_the_manifests_number() -> None:
    layer = LayerProgress("sha256:a", 100)
    seen = []
    for count in (10, 60, 5, 40, 70, 1000):
        layer.received(count)
        seen.append(layer.done)
    assert seen == [10, 60, 60, 60, 70, 100]


def test_the_total_is_that_of_manifest_config_and_layers(pulls: Pulls) -> None:
    pull = pull_of(pulls, 100, 200)
    pull.layers[0].received(50)
    assert (pull.done, pull.total) == (60, 310)


def test_a_rate_is_that_of_the_last_seconds(pulls: Pulls) -> None:
    pull = pull_of(pulls, 10_000)
    rates = []
    for second in range(20):
        pull.layers[0].received(min(second, 10) * 100)
        rates.append(pull.rate(float(second)))
    assert rates[0] == 0
    assert rates[5] == rates[10] == 100
    assert 0 < rates[12] < 100
    assert rates[19] == 0


def test_bytes_that_another_pull_brings_do_not_count_as_speed(pulls: Pulls) -> None:
    pull = pull_of(pulls, 1000)
    pull.layers[0].state = SHARED
    pull.rate(0.0)
    pull.layers[0].received(1000)
    assert pull.rate(1.0) == 0
    pull.layers[0].state = DOWNLOADING


async def test_who_waits_is_named_while_the_pull_is_awaited(pulls: Pulls) -> None:
    with pulls.running("a:1", "key") as pull, pulls.asking("key", "ns/pod"):
        with pulls.asking("key", ""), pulls.asking("key", "ns/other"):
            assert pull.asked_by == ["ns/pod", "ns/other"]
        assert pull.asked_by == ["ns/pod"]
    assert list(pulls) == []


async def test_news_wake_all_who_wait_and_none_is_missed(pulls: Pulls) -> None:
    since = pulls.changes
    waiting = [asyncio.create_task(pulls.news(since)) for _ in range(3)]
    await asyncio.sleep(0)
    pulls.changed()
    await asyncio.wait_for(asyncio.gather(*waiting), 1)
    await asyncio.wait_for(pulls.news(since), 1)


async def test_after_the_end_nobody_waits(pulls: Pulls) -> None:
    waiting = asyncio.create_task(pulls.news(pulls.changes))
    await asyncio.sleep(0)
    pulls.close()
    await asyncio.wait_for(waiting, 1)
    await asyncio.wait_for(pulls.news(pulls.changes), 1)
