"""The socket of a plugin: what ends it, and that it ends for good."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from cri_shim.errors import CriShimError
from cri_shim.nri import link as link_module
from cri_shim.nri.link import Link, LinkEnded, Refused
from cri_shim.pb import nri_pb2 as pb
from cri_shim.wire.ttrpc import Call
from tests.fixtures.nri_plugin import FakePlugin


async def _serve(call: Call) -> bytes:
    if call.method == "Fail":
        raise CriShimError("it fails")
    await asyncio.Event().wait()
    return b""


@contextlib.asynccontextmanager
async def linked() -> AsyncIterator[tuple[Link, FakePlugin]]:
    ours, theirs = socket.socketpair()
    link, fake = Link(ours, _serve), FakePlugin()
    link.open("test")
    async with fake.unregistered(theirs):
        try:
            yield link, fake
        finally:
            await link.close()


async def test_an_answer_arrives_after_one_that_came_too_late() -> None:
    async with linked() as (link, fake):
        fake.answers["Configure"] = None
        with pytest.raises(TimeoutError):
            await link.call("Configure", pb.ConfigureRequest(), pb.ConfigureResponse(), 0.05)
        fake.answers["Configure"] = pb.ConfigureResponse(events=3)
        answer = pb.ConfigureResponse()
        await link.call("Configure", pb.ConfigureRequest(), answer, 30)

    assert answer.events == 3


async def test_an_error_has_its_code() -> None:
    async with linked() as (link, fake):
        fake.answers["Configure"] = "5#nothing\nhere"
        with pytest.raises(Refused, match=r"nothing\\nhere") as raised:
            await link.call("Configure", pb.ConfigureRequest(), pb.ConfigureResponse(), 30)

    assert raised.value.code == 5


async def test_calls_fail_at_the_end_and_after_it() -> None:
    async with linked() as (link, fake):
        fake.answers["Configure"] = None
        calling = asyncio.create_task(
            link.call("Configure", pb.ConfigureRequest(), pb.ConfigureResponse(), 30)
        )
        await fake.until("Configure")
        await link.close()
        await link.close()
        with pytest.raises(LinkEnded, match="the runtime ended the connection"):
            await calling
        with pytest.raises(LinkEnded):
            await link.call("Configure", pb.ConfigureRequest(), pb.ConfigureResponse(), 30)


async def test_a_plugin_that_does_not_read_is_disconnected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_module, "_MOST_UNSENT", 1 << 20)
    ours, theirs = socket.socketpair()
    link = Link(ours, _serve)
    link.open("test")
    request = pb.ConfigureRequest(config="x" * (3 << 20))
    calls = [
        asyncio.create_task(link.call("Configure", request, pb.ConfigureResponse(), 30))
        for _ in range(3)
    ]

    done = await asyncio.gather(*calls, return_exceptions=True)

    assert [str(error) for error in done] == ["it does not read what it is sent"] * 3
    await link.close()
    theirs.close()


async def test_an_error_of_a_served_call_is_its_answer() -> None:
    async with linked() as (_, fake):
        answer = await fake.call("Fail", pb.Empty())

    assert (answer.code, answer.message) == (2, "it fails")


async def test_more_calls_than_the_limit_are_refused() -> None:
    async with linked() as (_, fake):
        waiting = [
            asyncio.create_task(fake.call("Wait", pb.Empty())) for _ in range(link_module.MAX_CALLS)
        ]
        await asyncio.sleep(0)
        refused = await fake.call("Wait", pb.Empty())
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    assert (refused.code, refused.message) == (8, "16 calls wait for an answer already")
