"""The queue of spans: bounded, and it never keeps the daemon waiting."""

import threading
from collections.abc import Sequence
from typing import cast

from opentelemetry.sdk.trace import ReadableSpan

from cri_shim.tracing import queue as module
from cri_shim.tracing.queue import SpanQueue
from tests.fixtures.waiting import until

SPAN = cast(ReadableSpan, object())


async def test_ended_spans_are_sent_in_batches_at_the_latest_at_the_end(monkeypatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    sent: list[int] = []

    def send(spans: Sequence[ReadableSpan]) -> bool:
        sent.append(len(spans))
        return True

    queue = SpanQueue(send)
    queue.start()
    for _ in range(5):
        queue.on_end(SPAN)
    await queue.stop()

    assert sum(sent) == 5
    assert max(sent) == 2
    assert queue.counts == {"exported": 5}


async def test_spans_above_the_limit_are_dropped_and_counted(monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    queue = SpanQueue(lambda spans: True)
    for _ in range(5):
        queue.on_end(SPAN)

    assert queue.counts == {"dropped": 2}


async def test_what_a_receiver_does_not_take_is_counted(monkeypatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.001)
    queue = SpanQueue(lambda spans: False)
    queue.start()
    queue.on_end(SPAN)
    await until(lambda: queue.counts["failed"] == 1)
    await queue.stop()


async def test_the_end_does_not_wait_for_a_receiver_that_hangs(monkeypatch) -> None:
    monkeypatch.setattr(module, "STOP_S", 0.05)
    go, hangs = threading.Event(), threading.Event()

    def send(spans: Sequence[ReadableSpan]) -> bool:
        hangs.set()
        return go.wait(60)

    queue = SpanQueue(send)
    queue.start()
    queue.on_end(SPAN)
    await queue.stop()
    assert hangs.is_set()
    go.set()
    await queue.stop()
