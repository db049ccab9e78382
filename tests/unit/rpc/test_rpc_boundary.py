"""The boundary on a real gRPC server, tested with the project's client."""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import grpc.aio
import pytest

from cri_shim import errors
from cri_shim.activity.request import request_id
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc import boundary, call
from cri_shim.rpc.client import Client

RUNTIME = api.DESCRIPTOR.services_by_name["RuntimeService"]
IMAGE = api.DESCRIPTOR.services_by_name["ImageService"]


class Runtime:
    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.stream_closed = asyncio.Event()
        self.failure: Exception = errors.NotFound("no pod abc")
        self.ids: list[str] = []

    async def Version(self, request: api.VersionRequest) -> api.VersionResponse:
        self.ids.append(request_id.get())
        return api.VersionResponse(version="0.1.0")

    async def RunPodSandbox(self, request: api.RunPodSandboxRequest) -> api.RunPodSandboxResponse:
        return api.RunPodSandboxResponse(pod_sandbox_id="f00")

    async def StopPodSandbox(
        self, request: api.StopPodSandboxRequest
    ) -> api.StopPodSandboxResponse:
        raise self.failure

    async def StartContainer(
        self, request: api.StartContainerRequest
    ) -> api.StartContainerResponse:
        self.running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return api.StartContainerResponse()

    async def GetContainerEvents(
        self, request: api.GetEventsRequest
    ) -> AsyncIterator[api.ContainerEventResponse]:
        try:
            for name in ("a", "b"):
                yield api.ContainerEventResponse(container_id=name)
            await asyncio.Event().wait()
        finally:
            self.stream_closed.set()

    async def StreamContainers(
        self, request: api.StreamContainersRequest
    ) -> AsyncIterator[api.StreamContainersResponse]:
        yield api.StreamContainersResponse()
        raise self.failure


def named(kind: str, id: str) -> str | None:
    return "pod default/web (4f4f4f4f4f4f)" if (kind, id) == ("pod", "4f" * 32) else None


@asynccontextmanager
async def serving(
    tmp_path: Path, runtime: object, check: boundary.Check | None = None
) -> AsyncIterator[Client]:
    socket = tmp_path / "s"
    server = grpc.aio.server(options=boundary.SERVER_OPTIONS)
    boundary.add(server, RUNTIME, runtime, boundary.Surroundings(check, named))
    boundary.add(server, IMAGE, object())
    server.add_insecure_port(f"unix://{socket}")
    await server.start()
    try:
        async with Client(socket, timeout=10) as client:
            yield client
    finally:
        await server.stop(None)
        # A call ends for its client a moment before it ends for the server.
        if calls := [task for task in asyncio.all_tasks() if task.get_name() == "rpc_task"]:
            await asyncio.wait(calls, timeout=10)


@pytest.fixture
async def runtime() -> Runtime:
    return Runtime()


@pytest.fixture
async def client(tmp_path: Path, runtime: Runtime) -> AsyncIterator[Client]:
    async with serving(tmp_path, runtime) as client:
        yield client


async def test_a_plain_method_answers_its_rpc(client: Client) -> None:
    assert (await client.runtime.Version(api.VersionRequest())).version == "0.1.0"


async def test_every_call_has_an_id_of_its_own(client: Client, runtime: Runtime) -> None:
    await client.runtime.Version(api.VersionRequest())
    await client.runtime.Version(api.VersionRequest())
    assert len({*runtime.ids}) == 2
    assert all(runtime.ids)


async def test_the_id_of_a_client_is_taken_and_sent_back(
    client: Client, runtime: Runtime, tmp_path: Path
) -> None:
    async with grpc.aio.insecure_channel(f"unix://{tmp_path / 's'}") as channel:
        ask = channel.unary_unary("/runtime.v1.RuntimeService/Version", None, None)
        call_ = ask(b"", metadata=(("x-request-id", "kubelet-7"),))
        await call_
        refused = ask(b"", metadata=(("x-request-id", "not valid"),))
        await refused

    assert runtime.ids[0] == "kubelet-7"
    assert dict(await call_.trailing_metadata())["x-request-id"] == "kubelet-7"
    assert dict(await refused.trailing_metadata())["x-request-id"] == runtime.ids[1]
    assert runtime.ids[1] != "kubelet-7"


async def test_a_failed_call_has_its_id_and_the_kind_of_its_error(
    client: Client, tmp_path: Path
) -> None:
    async with grpc.aio.insecure_channel(f"unix://{tmp_path / 's'}") as channel:
        ask = channel.unary_unary("/runtime.v1.RuntimeService/StopPodSandbox", None, None)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await ask(b"", metadata=(("x-request-id", "kubelet-7"),))
    found = dict(cast("list[tuple[str, str]]", failed.value.trailing_metadata()))

    assert found["x-request-id"] == "kubelet-7"
    assert found["cri-shim-error"] == "NotFound"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (errors.InvalidArgument("a.b", "is odd"), errors.InvalidArgument),
        (errors.NotFound("x"), errors.NotFound),
        (errors.AlreadyExists("x"), errors.AlreadyExists),
        (errors.WrongState("x"), errors.WrongState),
        (errors.TimedOut("x"), errors.TimedOut),
        (errors.ResourceExhausted("x"), errors.ResourceExhausted),
        (errors.Unavailable("x"), errors.Unavailable),
        (errors.RuntimeStopped("x"), errors.Unavailable),
        (errors.Unimplemented("x"), errors.Unimplemented),
        (errors.ToolFailed("crun said é"), errors.ToolFailed),
        (errors.RegistryUnavailable("x"), errors.ToolFailed),
    ],
)
async def test_a_cri_shim_error_arrives_as_its_kind_with_its_text(
    client: Client, runtime: Runtime, failure: Exception, kind: type[Exception]
) -> None:
    runtime.failure = failure
    with pytest.raises(errors.CriShimError) as caught:
        await client.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id="abc"))
    assert (type(caught.value), str(caught.value)) == (kind, str(failure))


async def test_an_error_names_its_objects_for_the_caller_and_in_the_log(
    client: Client, runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    runtime.failure = errors.WrongState(f"pod {'4f' * 32} is being made")
    text = "pod default/web (4f4f4f4f4f4f) is being made"
    with pytest.raises(errors.WrongState) as caught:
        await client.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id="4f"))
    assert str(caught.value) == text
    assert text in caplog.text


async def test_a_full_disk_is_unavailable_and_not_a_bug(client: Client, runtime: Runtime) -> None:
    runtime.failure = OSError(errno.ENOSPC, "No space left on device", "/run/x")
    with pytest.raises(errors.Unavailable, match=r"StopPodSandbox: .*No space left.*/run/x"):
        await client.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id="abc"))


async def test_a_bug_is_internal_with_its_text_and_leaves_a_traceback_in_the_log(
    client: Client, runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    runtime.failure = KeyError("lost")
    with pytest.raises(errors.CriShimError, match="StopPodSandbox met a bug: KeyError: 'lost'"):
        await client.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id="abc"))
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert "StopPodSandbox abc" in record.getMessage()


async def test_a_text_that_does_not_fit_a_header_is_adapted(
    client: Client, runtime: Runtime
) -> None:
    runtime.failure = errors.ToolFailed("begin " + "é%\udcff\n" * 5000 + " end")
    with pytest.raises(errors.ToolFailed, match=r"(?s)^begin .*\[\.\.\.\].* end$"):
        await client.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id="abc"))


async def test_an_rpc_without_a_method_is_unimplemented_and_named(client: Client) -> None:
    with pytest.raises(errors.Unimplemented, match=r"method RestorePod for .*v1\.RuntimeService"):
        await client.runtime.RestorePod(api.RestorePodRequest())
    with pytest.raises(errors.Unimplemented, match=r"method PullImage for .*v1\.ImageService"):
        await client.image.PullImage(api.PullImageRequest())


async def test_a_stream_without_a_method_is_unimplemented_and_named(client: Client) -> None:
    with pytest.raises(errors.Unimplemented, match=r"method StreamImages for .*ImageService"):
        await anext(aiter(client.image.StreamImages(api.StreamImagesRequest())))


async def test_all_43_rpcs_are_known_to_the_server_even_when_nothing_serves_them(
    tmp_path: Path,
) -> None:
    paths = [f"/{s.full_name}/{m.name}" for s in (RUNTIME, IMAGE) for m in s.methods]
    texts = []
    async with serving(tmp_path, object()):
        async with grpc.aio.insecure_channel(f"unix://{tmp_path / 's'}") as channel:
            for path in paths:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await anext(aiter(channel.unary_stream(path, None, None)(b"")))
                texts.append(f"{caught.value.code().name} {caught.value.details()}")
    of_service = [path[1:].split("/") for path in paths]
    assert texts == [f"UNIMPLEMENTED unknown method {m} for service {s}" for s, m in of_service]
    assert len(texts) == 43


NO_MESSAGES = {
    "bytes": b"\xff\xff\xff\xff",
    "a length beyond the end": b"\x0a\x7fabc",
    "a text that is not UTF-8": b"\x0a\x02\xff\xfe",
    "a group that does not end": b"\x0b",
    "a message in itself, a thousand deep": b"\x0a\xff\x7f" * 1000,
}


@pytest.mark.parametrize("raw", NO_MESSAGES.values(), ids=NO_MESSAGES)
@pytest.mark.parametrize("method", ["StopPodSandbox", "StreamContainers"])
async def test_a_malformed_request_is_an_invalid_argument(
    tmp_path: Path, runtime: Runtime, caplog: pytest.LogCaptureFixture, method: str, raw: bytes
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(tmp_path, runtime):
        async with grpc.aio.insecure_channel(f"unix://{tmp_path / 's'}") as channel:
            call = channel.unary_stream(f"/runtime.v1.RuntimeService/{method}", None, None)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await anext(aiter(call(raw)))
    said = f"the request is no runtime.v1.{method}Request: its {len(raw)} bytes cannot be parsed"
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == said
    (record,) = caplog.records
    assert not record.exc_info
    assert record.getMessage().endswith(f"INVALID_ARGUMENT: {said}")


async def test_a_stream_delivers_items_and_is_closed_when_its_reader_leaves(
    client: Client, runtime: Runtime
) -> None:
    stream = client.runtime.GetContainerEvents(api.GetEventsRequest())
    items = aiter(stream)
    assert [(await anext(items)).container_id for _ in range(2)] == ["a", "b"]
    await items.aclose()  # type: ignore[attr-defined]
    await asyncio.wait_for(runtime.stream_closed.wait(), 5)


async def test_a_stream_that_fails_ends_with_its_error(client: Client) -> None:
    items = aiter(client.runtime.StreamContainers(api.StreamContainersRequest()))
    await anext(items)
    with pytest.raises(errors.NotFound, match="no pod abc"):
        await anext(items)


async def test_a_cancelled_call_cancels_the_method(client: Client, runtime: Runtime) -> None:
    call = asyncio.ensure_future(
        client.runtime.StartContainer(api.StartContainerRequest(container_id="c"))
    )
    await asyncio.wait_for(runtime.running.wait(), 5)
    call.cancel()
    await asyncio.wait_for(runtime.cancelled.wait(), 5)
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_the_check_refuses_before_the_method_is_called(tmp_path: Path) -> None:
    def check(request: object) -> None:
        raise errors.InvalidArgument("config.metadata", "is missing")

    runtime = Runtime()
    async with serving(tmp_path, runtime, check) as client:
        with pytest.raises(errors.InvalidArgument, match=r"^config\.metadata: is missing$"):
            await client.runtime.Version(api.VersionRequest())
    assert runtime.ids == []


async def test_verbs_log_one_line_with_object_time_and_outcome(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = api.PodSandboxConfig(metadata=api.PodSandboxMetadata(name="web", namespace="ns"))
    await client.runtime.RunPodSandbox(api.RunPodSandboxRequest(config=config))
    (line,) = [r.getMessage() for r in caplog.records if r.name == call.log.name]
    words = line.split()
    assert words[0] == "call"
    assert words[1:3] == ["RunPodSandbox", "ns/web"]
    assert words[4:] == ["ms:", "OK", "f00"]


async def test_reads_are_logged_at_debug_level_only(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, call.log.name)
    await client.runtime.Version(api.VersionRequest())
    (record,) = [r for r in caplog.records if r.name == call.log.name]
    assert record.levelno == logging.DEBUG


async def test_a_failure_is_a_warning_with_its_code_on_one_line(
    client: Client, runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    runtime.failure = errors.ToolFailed("one\ntwo")
    with pytest.raises(errors.ToolFailed):
        await client.runtime.StopPodSandbox(api.StopPodSandboxRequest(pod_sandbox_id="abc"))
    (record,) = [r for r in caplog.records if r.name == call.log.name]
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith("UNKNOWN: one | two")


async def test_an_unknown_rpc_method_is_refused_at_start() -> None:
    class Typo:
        async def StopPodSandbx(self, request: object) -> None: ...

    with pytest.raises(TypeError, match=r"RuntimeService has no RPC StopPodSandbx"):
        boundary.add(grpc.aio.server(), RUNTIME, Typo())


async def test_a_method_of_the_wrong_sort_is_refused_at_start() -> None:
    class NotAStream:
        async def GetContainerEvents(self, request: object) -> None: ...

    with pytest.raises(TypeError, match="GetContainerEvents must be an async generator"):
        boundary.add(grpc.aio.server(), RUNTIME, NotAStream())


async def test_an_answer_of_nearly_16_mib_arrives(tmp_path: Path) -> None:
    class Talker:
        async def ExecSync(self, request: api.ExecSyncRequest) -> api.ExecSyncResponse:
            return api.ExecSyncResponse(stdout=bytes(16 * 1024 * 1024 - 64))

    async with serving(tmp_path, Talker()) as client:
        answer = await client.runtime.ExecSync(api.ExecSyncRequest(container_id="c"))
    assert len(answer.stdout) == 16 * 1024 * 1024 - 64


async def test_an_answer_above_16_mib_is_refused_with_a_hint(
    tmp_path: Path,
) -> None:
    class Talker:
        async def ExecSync(self, request: api.ExecSyncRequest) -> api.ExecSyncResponse:
            return api.ExecSyncResponse(stdout=bytes(16 * 1024 * 1024))

    async with serving(tmp_path, Talker()) as client:
        with pytest.raises(errors.ResourceExhausted, match="more than the 16777216") as refusal:
            await client.runtime.ExecSync(api.ExecSyncRequest(container_id="c"))
    assert "Stream" not in str(refusal.value)
