"""Plugins over sockets: they join, are called in order, and one that fails holds up nothing."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.nri import joining
from cri_shim.nri import plugins as connected
from cri_shim.nri.joining import Limits
from cri_shim.nri.plugin import Plugin
from cri_shim.nri.plugins import Plugins
from cri_shim.pb import nri_pb2 as pb
from cri_shim.wire import nri_mux
from tests.fixtures.nri_plugin import FakePlugin

LIMITS = Limits(registration=30, request=30)
SHORT = Limits(registration=0.05, request=0.05)
EVENT = pb.RunPodSandboxRequest(pod=pb.PodSandbox(id="p"))


class Node:
    """The runtime's side: what it knows, and what plugins ask of it."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.pods = [pb.PodSandbox(id="p")]
        self.containers = [pb.Container(id="c")]
        self.asked: list[tuple[str, pb.UpdateContainersRequest]] = []
        self.plugins = Plugins(limits, self.update, self.known)

    async def known(self) -> tuple[list[pb.PodSandbox], list[pb.Container]]:
        return list(self.pods), list(self.containers)

    async def update(
        self, plugin: str, request: pb.UpdateContainersRequest
    ) -> list[pb.ContainerUpdate]:
        self.asked.append((plugin, request))
        return list(request.update)[1:]

    @contextlib.asynccontextmanager
    async def joined(self, *fakes: FakePlugin) -> AsyncIterator[list[Plugin]]:
        """Let plugins join, and yield them in order; then close everything."""
        async with contextlib.AsyncExitStack() as stack:
            for fake in fakes:
                ours, theirs = socket.socketpair()
                joining = asyncio.create_task(self.plugins.join(ours))
                await stack.enter_async_context(fake.connected(theirs))
                await joining
            async with self.plugins.turn() as found:
                pass
            try:
                yield found
            finally:
                await self.plugins.close()

    async def refused(self, fake: FakePlugin) -> str:
        """Let a plugin try to join; return the error."""
        ours, theirs = socket.socketpair()
        joining = asyncio.create_task(self.plugins.join(ours))
        async with fake.unregistered(theirs):
            await asyncio.sleep(0)
            if fake.name != "silent":
                with contextlib.suppress(OSError):
                    registering = asyncio.create_task(fake.register())
            with pytest.raises(ToolFailed) as raised:
                await joining
            await fake.ended.wait()
            if fake.name != "silent":
                registering.cancel()
                await asyncio.gather(registering, return_exceptions=True)
        return str(raised.value)


async def tell(found: list[Plugin], method: str = "RunPodSandbox") -> None:
    for plugin in found:
        if plugin.gets(method):
            await plugin.event(method, EVENT, pb.Empty())


async def test_a_plugin_is_configured_and_gets_what_exists() -> None:
    fake = FakePlugin("10", "fake")
    async with Node().joined(fake) as found:
        configured, synchronized = fake.calls[0][1], fake.calls[1][1]

    assert [str(plugin) for plugin in found] == ["10-fake"]
    assert fake.methods == ["Configure", "Synchronize", "Shutdown"]
    assert isinstance(configured, pb.ConfigureRequest)
    assert (configured.runtime_name, configured.request_timeout) == ("cri-shim", 30_000)
    assert isinstance(synchronized, pb.SynchronizeRequest)
    assert [pod.id for pod in synchronized.pods] == ["p"]
    assert [container.id for container in synchronized.containers] == ["c"]


async def test_plugins_are_called_in_the_order_of_their_indices() -> None:
    async with Node().joined(FakePlugin("90"), FakePlugin("10"), FakePlugin("50")) as found:
        assert [str(plugin) for plugin in found] == ["10-fake", "50-fake", "90-fake"]


async def test_a_plugin_gets_only_its_events() -> None:
    fake = FakePlugin(events=1 << (pb.STOP_POD_SANDBOX - 1))
    node = Node()
    async with node.joined(fake) as found:
        assert node.plugins.facts() == [
            {"name": "10-fake", "startedByDaemon": False, "events": ["StopPodSandbox"]}
        ]
        await tell(found)
        await tell(found, "StopPodSandbox")

    assert fake.methods[2:] == ["StopPodSandbox", "Shutdown"]


async def test_an_old_plugin_gets_state_changes() -> None:
    fake = FakePlugin()
    fake.answers["RunPodSandbox"] = "12#no such call"
    async with Node().joined(fake) as found:
        await tell(found)
        await tell(found)

    assert fake.methods[2:] == ["RunPodSandbox", "StateChange", "StateChange", "Shutdown"]
    [first, _] = fake.told("StateChange")
    assert isinstance(first, pb.StateChangeEvent)
    assert (first.event, first.pod.id) == (pb.RUN_POD_SANDBOX, "p")


async def test_an_error_of_a_plugin_fails_the_request_and_it_stays() -> None:
    fake = FakePlugin()
    fake.answers["RunPodSandbox"] = "not now"
    async with Node().joined(fake) as found:
        with pytest.raises(ToolFailed, match="NRI plugin 10-fake refuses RunPodSandbox: not now"):
            await tell(found)
        assert not found[0].gone


async def test_a_silent_plugin_is_disconnected_and_the_request_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    silent, other = FakePlugin("10"), FakePlugin("20")
    silent.answers["RunPodSandbox"] = None
    async with Node().joined(silent, other) as found:
        found[0]._limit = 0.2
        await tell(found)
        await silent.ended.wait()

    assert other.methods.count("RunPodSandbox") == 1
    assert "10-fake failed at RunPodSandbox, it is disconnected: did not answer" in caplog.text


async def test_the_policy_of_a_plugin_can_fail_the_request_and_keep_it() -> None:
    fake = FakePlugin()
    policy = pb.FailurePolicy(fail_request=True, keep_connected=True)
    fake.answers["Configure"] = pb.ConfigureResponse(failure_policy=policy)
    fake.answers["RunPodSandbox"] = None
    async with Node().joined(fake) as found:
        found[0]._limit = 0.2
        with pytest.raises(ToolFailed, match="10-fake failed at RunPodSandbox: did not answer"):
            await tell(found)
        assert not found[0].gone


@pytest.mark.parametrize(
    ("garbage", "why"),
    [
        (
            struct.pack(">II", 1, 0xFFFFFFFF),
            "it does not speak the protocol: a frame of 4294967295",
        ),
        (nri_mux.frames(1, b"\0\0\0\0\0\0\0\2\2\0"), "an answer on stream 2, on which no call"),
        (nri_mux.frames(2, b"\xff" * 10), "the first byte of a head must be zero"),
    ],
)
async def test_a_plugin_that_sends_garbage_is_disconnected(
    garbage: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fake, other = FakePlugin("10"), FakePlugin("20")
    node = Node()
    async with node.joined(fake, other) as found:
        await fake.send(garbage)
        await fake.ended.wait()
        await tell(found)
        async with node.plugins.turn() as left:
            assert [str(plugin) for plugin in left] == ["20-fake"]

    assert why in caplog.text
    assert other.methods.count("RunPodSandbox") == 1


async def test_a_lost_connection_in_the_middle_of_a_call_fails_nothing() -> None:
    fake = FakePlugin()
    node = Node()
    async with node.joined(fake) as found:
        fake.answers["RunPodSandbox"] = None
        telling = asyncio.create_task(tell(found))
        await fake.until("RunPodSandbox")
        fake._socket.shutdown(socket.SHUT_RDWR)
        await telling
        assert found[0].gone


async def test_an_answer_that_is_not_a_message_disconnects() -> None:
    fake = FakePlugin()
    fake.answers["RunPodSandbox"] = pb.LogRequest(msg="x")  # no field of an Empty: ignored
    fake.answers["CreateContainer"] = pb.RegisterPluginRequest(plugin_name="\x01")
    async with Node().joined(fake) as found:
        await tell(found)
        answer = await found[0].event("CreateContainer", EVENT, pb.CreateContainerResponse())

    assert answer is None
    assert found[0].gone


async def test_a_plugin_asks_for_updates() -> None:
    fake, node = FakePlugin(), Node()
    async with node.joined(fake):
        answer = await fake.update(
            update=[pb.ContainerUpdate(container_id="a"), pb.ContainerUpdate(container_id="b")]
        )

    assert [failed.container_id for failed in answer.failed] == ["b"]
    [(plugin, request)] = node.asked
    assert (plugin, len(request.update)) == ("10-fake", 2)


async def test_updates_of_the_synchronization_are_carried_out() -> None:
    fake, node = FakePlugin(), Node()
    fake.answers["Synchronize"] = pb.SynchronizeResponse(
        update=[pb.ContainerUpdate(container_id="c")]
    )
    async with node.joined(fake):
        assert [request.update[0].container_id for _, request in node.asked] == ["c"]


async def test_unknown_calls_are_refused_and_the_plugin_stays() -> None:
    fake = FakePlugin()
    async with Node().joined(fake) as found:
        unknown = await fake.call("Destroy", pb.Empty())
        elsewhere = await fake.call("UpdateContainers", pb.Empty(), service="other")
        again = await fake.register()
        assert not found[0].gone

    assert (unknown.code, unknown.message) == (12, f"no call {joining.SERVICE}/Destroy")
    assert elsewhere.code == 12
    assert (again.code, again.message) == (2, "the plugin has registered already")


async def test_many_objects_are_synchronized_in_parts() -> None:
    node, fake = Node(), FakePlugin()
    node.containers = [pb.Container(id=str(n), name="x" * 500_000) for n in range(40)]
    async with node.joined(fake):
        parts = fake.told("Synchronize")

    assert len(parts) > 3
    ids = [c.id for part in parts for c in part.containers]  # type: ignore[attr-defined]
    assert ids == [str(n) for n in range(40)]
    assert [part.more for part in parts] == [True] * (len(parts) - 1) + [False]  # type: ignore[attr-defined]


async def test_a_plugin_that_takes_no_parts_is_refused() -> None:
    node, fake = Node(), FakePlugin()
    node.containers = [pb.Container(id=str(n), name="x" * 500_000) for n in range(40)]
    fake.answers["Synchronize"] = pb.SynchronizeResponse()

    assert await node.refused(fake) == (
        "NRI plugin 10-fake cannot be synchronized: it takes no parts"
    )


async def test_objects_that_fit_into_no_message_are_told() -> None:
    node, fake = Node(), FakePlugin()
    node.containers = [pb.Container(id="c", name="x" * (5 << 20))]

    assert "10-fake cannot be synchronized: a call of 52" in await node.refused(fake)


@pytest.mark.parametrize(
    ("fake", "sentence"),
    [
        (("1", "fake"), "an NRI plugin on the socket is not registered: the index '1' must be"),
        (("10", "a/b"), "an NRI plugin on the socket is not registered: the name 'a/b' must be"),
    ],
)
async def test_a_plugin_with_a_bad_name_is_refused(fake: tuple[str, str], sentence: str) -> None:
    assert sentence in await Node().refused(FakePlugin(*fake))


async def test_a_plugin_that_does_not_register_is_disconnected() -> None:
    node = Node(SHORT)

    assert await node.refused(FakePlugin(name="silent")) == (
        "NRI plugin on the socket did not register within 0.05 s"
    )


@pytest.mark.parametrize(
    ("method", "answer", "limits", "sentence"),
    [
        ("Configure", None, Limits(30, 0.2), "10-fake did not answer Configure within 0.2 s"),
        ("Configure", "no", LIMITS, "10-fake cannot be configured: no"),
        (
            "Configure",
            pb.ConfigureResponse(events=1 << 20),
            LIMITS,
            "10-fake cannot be configured: it subscribes to unknown events (0x100000)",
        ),
        ("Synchronize", None, Limits(3, 3), "10-fake did not answer Synchronize within 3 s"),
        ("Synchronize", "no", LIMITS, "10-fake cannot be synchronized: no"),
    ],
)
async def test_a_plugin_that_cannot_join_is_disconnected(
    method: str, answer: str | None, limits: Limits, sentence: str
) -> None:
    node, fake = Node(limits), FakePlugin()
    fake.answers[method] = answer

    assert await node.refused(fake) == f"NRI plugin {sentence}"


async def test_more_plugins_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connected, "MOST", 1)
    node = Node()
    async with node.joined(FakePlugin()):
        ours, theirs = socket.socketpair()
        with theirs, pytest.raises(ToolFailed, match="is refused: 1 are connected already"):
            await node.plugins.join(ours)


async def test_a_plugin_joins_between_two_events() -> None:
    first, second = FakePlugin("10"), FakePlugin("20")
    node = Node()
    async with node.joined(first):
        ours, theirs = socket.socketpair()
        async with second.unregistered(theirs):
            async with node.plugins.turn() as found:
                joining = asyncio.create_task(node.plugins.join(ours))
                await second.register()
                await second.until("Configure")
                await tell(found)
                node.pods.append(pb.PodSandbox(id="made in this event"))
                before = list(second.methods)
            await joining
        [told] = second.told("Synchronize")

    assert before == ["Configure"]
    assert [pod.id for pod in told.pods] == ["p", "made in this event"]  # type: ignore[attr-defined]
    assert second.told("RunPodSandbox") == []
