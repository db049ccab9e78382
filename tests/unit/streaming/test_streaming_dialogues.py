"""Complete sessions of every sub-protocol, without a network: what clients send and receive."""

import asyncio
import base64
import json
import os
from typing import Any

import pytest
from wsproto.connection import Connection as WsConnection
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from cri_shim.errors import ToolFailed
from cri_shim.oci.command import Streams
from cri_shim.streaming.spdy_session import SpdyCommand
from cri_shim.streaming.ws_session import WebSocketCommand
from cri_shim.wire.spdy import Connection, DataReceived, GoneAway, Role, StreamReset
from tests.fixtures.sessions import handle, resources

ALL = Streams(stdin=True, stdout=True, stderr=True, tty=False)
TERMINAL = Streams(stdin=True, stdout=True, stderr=False, tty=True)


class FakeTalk:
    """A command whose output and end the test controls."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler
        self.heard: list[Any] = []
        self.over = asyncio.get_running_loop().create_future()
        self.waiting = 0
        self.closed = False

    def feed(self, data: Any) -> Any:
        self.heard.append(bytes(data))
        return self.waiting

    def feed_end(self) -> None:
        self.heard.append("end")

    def resize(self, width: Any, height: Any) -> None:
        self.heard.append((width, height))

    def pause(self) -> None:
        self.heard.append("pause")

    def resume(self) -> None:
        self.heard.append("resume")

    async def wait(self) -> Any:
        return await self.over

    async def close(self) -> None:
        self.closed = True


class FakeLink:
    def __init__(self) -> None:
        self.sent = bytearray()
        self.closed = False
        self.throttled = False

    def write(self, pieces: Any) -> None:
        for piece in pieces:
            self.sent += piece

    def backlog(self) -> Any:
        return 0

    def throttle(self, on: Any) -> None:
        self.throttled = on

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def take(self) -> Any:
        sent, self.sent = bytes(self.sent), bytearray()
        return sent


class Stage:
    """A session with its fake link, fake command and tasks."""

    def __init__(self, failure: Any = None) -> None:
        self.link: Any = FakeLink()
        self.talk: Any = None
        self.failure = failure
        self.tasks: list[asyncio.Task[None]] = []
        self.resources = resources(self.spawn)

    async def begin(self, handler: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        self.talk = FakeTalk(handler)
        return self.talk

    def spawn(self, name: Any, work: Any) -> Any:
        self.tasks.append(asyncio.create_task(work, name=name))
        return self.tasks[-1]

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def finish(self, code: Any = 0) -> None:
        self.talk.over.set_result(code)
        await asyncio.gather(*self.tasks)


class SpdyClient:
    def __init__(self, stage: Any, protocol: Any, streams: Any = ALL) -> None:
        self.stage = stage
        self.session = SpdyCommand(stage.link, protocol, streams, stage.begin, stage.resources)
        self.spdy = Connection(Role.CLIENT)
        self.heard: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.goaway = False

    def push(self) -> None:
        handle(self.session, b"".join(self.spdy.outgoing()))
        self.pull()

    def pull(self) -> None:
        for event in self.spdy.receive(self.stage.link.take()):
            match event:
                case DataReceived():
                    self.heard[event.stream] = self.heard.get(event.stream, b"") + bytes(event.data)
                    if event.fin:
                        self.ended.add(event.stream)
                case StreamReset():
                    self.ended.add(event.stream)
                case GoneAway():
                    self.goaway = True

    def open(self, kind: Any) -> Any:
        stream = self.spdy.open({"streamtype": kind})
        self.push()
        return stream

    def send(self, stream: Any, data: Any, fin: Any = False) -> None:
        self.spdy.send(stream, data, fin=fin)
        self.push()


@pytest.mark.parametrize(
    ("protocol", "code", "error"),
    [
        ("channel.k8s.io", 0, b""),
        ("v2.channel.k8s.io", 0, b""),
        ("v3.channel.k8s.io", 3, b"command terminated with non-zero exit code: exit status 3"),
        ("v4.channel.k8s.io", 0, b'{"metadata":{},"status":"Success"}'),
    ],
)
async def test_a_whole_session_over_spdy(protocol, code, error):
    stage = Stage()
    client = SpdyClient(stage, protocol)
    fail = client.open("error")
    stdin, stdout = client.open("stdin"), client.open("stdout")
    assert not stage.tasks
    stderr = client.open("stderr")
    await stage.settle()
    client.send(stdin, b"hello")
    client.send(stdin, b"", fin=True)
    stage.talk.handler.output(1, b"out")
    stage.talk.handler.output(2, b"err")
    await stage.finish(code)
    client.pull()
    assert stage.talk.heard == [b"hello", "end"]
    assert (client.heard[stdout], client.heard[stderr]) == (b"out", b"err")
    assert client.heard.get(fail, b"") == error
    assert {stdout, stderr, fail} <= client.ended
    assert client.goaway and stage.link.closed and stage.talk.closed


async def test_input_before_the_start_of_the_command_is_kept():
    stage = Stage()
    client = SpdyClient(stage, "v4.channel.k8s.io", TERMINAL)
    client.open("error")
    resize, stdin = client.open("resize"), client.open("stdin")
    client.send(stdin, b"early ")
    client.send(resize, b'{"Width":80,"Height":24}\n')
    client.send(stdin, b"bird", fin=True)
    client.open("stdout")
    await stage.settle()
    assert stage.talk.heard == [(80, 24), b"early bird", "end"]
    await stage.finish()


@pytest.mark.large
async def test_many_pieces_of_input_before_the_start_are_joined():
    stage = Stage()
    client = SpdyClient(stage, "v4.channel.k8s.io", Streams(True, True, False, False))
    client.open("error")
    stdin = client.open("stdin")
    for number in range(100_000):
        client.spdy.send(stdin, bytes([number % 256]))
    client.push()
    client.open("stdout")
    await stage.settle()
    assert stage.talk.heard == [bytes(number % 256 for number in range(100_000))]
    await stage.finish()


async def test_the_last_of_several_sizes_is_used():
    stage = Stage()
    client = SpdyClient(stage, "v4.channel.k8s.io", TERMINAL)
    client.open("error")
    resize = client.open("resize")
    client.open("stdin"), client.open("stdout")
    await stage.settle()
    sizes = [f'{{"Width":{n},"Height":{n}}}\n' for n in range(1, 1000)]
    client.send(resize, "".join(sizes).encode())
    assert stage.talk.heard == [(999, 999)]
    await stage.finish()


async def test_the_status_reports_a_command_that_cannot_start():
    stage = Stage(ToolFailed("cannot execute 'x'"))
    client = SpdyClient(stage, "v4.channel.k8s.io", Streams(False, True, False, False))
    fail = client.open("error")
    client.open("stdout")
    await asyncio.gather(*stage.tasks)
    client.pull()
    status = json.loads(client.heard[fail])
    assert (status["reason"], status["code"]) == ("InternalError", 500)
    assert "cannot execute 'x'" in status["message"]


async def test_missing_streams_end_the_session(monkeypatch):
    monkeypatch.setattr("cri_shim.streaming.spdy_session.CREATION_S", 0.01)
    stage = Stage()
    client = SpdyClient(stage, "v4.channel.k8s.io")
    fail = client.open("error")
    await asyncio.sleep(0.05)
    client.pull()
    assert "no stderr, stdin, stdout stream" in json.loads(client.heard[fail])["message"]
    assert stage.link.closed and not stage.tasks


async def test_bytes_that_are_not_spdy_end_the_session():
    stage = Stage()
    client = SpdyClient(stage, "v4.channel.k8s.io")
    handle(client.session, b"\x80\x09\x00\x01" + b"\xff" * 100)
    client.pull()
    assert client.goaway and stage.link.closed
    client.session.gone()


async def test_a_client_that_disconnects_closes_its_command():
    stage = Stage()
    client = SpdyClient(stage, "v4.channel.k8s.io", Streams(False, True, False, False))
    client.open("error"), client.open("stdout")
    await stage.settle()
    client.session.gone()
    await asyncio.gather(*stage.tasks, return_exceptions=True)
    assert stage.talk.closed
    assert stage.link.take() == b""


async def test_unread_input_throttles_the_client():
    stage = Stage()
    client = SpdyClient(stage, "v4.channel.k8s.io", Streams(True, True, False, False))
    client.open("error"), client.open("stdout")
    stdin = client.open("stdin")
    await stage.settle()
    stage.talk.waiting = 1 << 20
    client.send(stdin, b"x")
    assert stage.link.throttled
    stage.talk.handler.drained()
    assert not stage.link.throttled
    await stage.finish()


async def test_the_client_gets_the_reason_of_a_shutdown():
    stage = Stage()
    client = SpdyClient(stage, "v4.channel.k8s.io", Streams(False, True, False, False))
    fail, _ = client.open("error"), client.open("stdout")
    await stage.settle()
    client.session.end("the node goes down")
    await asyncio.gather(*stage.tasks, return_exceptions=True)
    client.pull()
    assert "the node goes down" in json.loads(client.heard[fail])["message"]


class WsClient:
    def __init__(self, stage: Any, protocol: Any, streams: Any = ALL) -> None:
        self.stage = stage
        self.session = WebSocketCommand(stage.link, protocol, streams, stage.begin, stage.resources)
        self.ws = WsConnection(ConnectionType.CLIENT)
        self.messages: list[Any] = []
        self.close_code = 0

    def say(self, event: Any) -> None:
        handle(self.session, self.ws.send(event))
        self.pull()

    def pull(self) -> None:
        self.ws.receive_data(self.stage.link.take())
        for event in self.ws.events():
            match event:
                case BytesMessage() | TextMessage():
                    self.messages.append(event.data)
                case Pong():
                    self.messages.append("pong")
                case CloseConnection():
                    self.close_code = event.code


@pytest.mark.parametrize(
    ("protocol", "first", "last"),
    [
        ("v5.channel.k8s.io", [], [b'\x03{"metadata":{},"status":"Success"}']),
        ("v4.channel.k8s.io", [b"\x01"], [b'\x03{"metadata":{},"status":"Success"}']),
        ("channel.k8s.io", [b"\x01"], []),
        ("", [b"\x01"], []),
    ],
)
async def test_a_whole_session_over_binary_websocket(protocol, first, last):
    stage = Stage()
    client = WsClient(stage, protocol)
    await stage.settle()
    client.say(BytesMessage(b"\x00hello"))
    client.say(Ping(b"?"))
    stage.talk.handler.output(1, b"out")
    stage.talk.handler.output(2, b"e" * 70000)
    await stage.finish()
    client.pull()
    assert stage.talk.heard == [b"hello"]
    expected = [*first, "pong", b"\x01out", b"\x02" + b"e" * 70000, *last]
    assert [bytes(m) if m != "pong" else m for m in joined(client.messages)] == expected
    assert client.close_code == 1000 and stage.link.closed


def joined(messages: Any) -> Any:
    """Join the pieces of one message: only the long message arrives in pieces here."""
    short = [m for m in messages if not (len(m) > 1000 or m == b"")]
    long = b"".join(m for m in messages if len(m) > 1000)
    place = next((i + 1 for i, m in enumerate(short) if m == b"\x01out"), len(short))
    return [*short[:place], *([long] if long else []), *short[place:]]


@pytest.mark.parametrize("protocol", ["base64.channel.k8s.io", "v4.base64.channel.k8s.io"])
async def test_a_whole_session_over_base64(protocol):
    stage = Stage()
    client = WsClient(stage, protocol)
    await stage.settle()
    client.say(TextMessage("0" + base64.b64encode(b"hello").decode()))
    stage.talk.handler.output(1, b"out")
    await stage.finish()
    client.pull()
    assert stage.talk.heard == [b"hello"]
    assert client.messages[:2] == ["1", "1" + base64.b64encode(b"out").decode()]
    assert client.close_code == 1000


async def test_v5_ends_input_and_resizes():
    stage = Stage()
    client = WsClient(stage, "v5.channel.k8s.io", TERMINAL)
    await stage.settle()
    client.say(BytesMessage(b'\x04{"Width":100,"Height":40}'))
    client.say(BytesMessage(b"\x00last"))
    client.say(BytesMessage(b"\xff\x00"))
    assert stage.talk.heard == [(100, 40), b"last", "end"]
    await stage.finish()


async def test_the_fragments_of_a_message_are_passed_on_separately():
    stage = Stage()
    client = WsClient(stage, "v5.channel.k8s.io")
    await stage.settle()
    data = os.urandom(200_000)
    sent = client.ws.send(BytesMessage(b"\x00" + data))
    for start in range(0, len(sent), 777):
        handle(client.session, sent[start : start + 777])
    assert b"".join(stage.talk.heard) == data
    await stage.finish()


async def test_text_on_a_binary_protocol_ends_the_session():
    stage = Stage()
    client = WsClient(stage, "v5.channel.k8s.io")
    client.say(TextMessage("0abc"))
    assert client.close_code == 1003
    client.session.gone()
    await asyncio.gather(*stage.tasks, return_exceptions=True)


async def test_an_unmasked_frame_is_a_protocol_error():
    stage = Stage()
    client = WsClient(stage, "v5.channel.k8s.io")
    handle(client.session, b"\x82\x02\x00x")
    client.pull()
    assert client.close_code == 1002
    client.session.gone()
    await asyncio.gather(*stage.tasks, return_exceptions=True)
