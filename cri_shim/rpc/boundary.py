"""Turns a gRPC call into a plain method call, and an error into a status.

`add(server, descriptor, implementation)` serves every RPC that the protobuf service descriptor
lists, with the message classes named there, so the generated server code is not needed. The
implementation is any object whose methods have the names of the RPCs and take only the request:

    async def StopPodSandbox(self, request: StopPodSandboxRequest) -> StopPodSandboxResponse
    async def GetContainerEvents(self, request: ...) -> AsyncIterator[...]:   # with `yield`

An RPC without a method answers UNIMPLEMENTED with its name. A method without an RPC, or of the
wrong sort, is a programming error found at start. Each call has:

- an id, its object and ONE log line at the end: see `call`. Reads, which the kubelet repeats
  every second, are logged at debug level, verbs at info, failures at warning. An error that is not
  a CriShimError is logged with its traceback and answered with its text, as INTERNAL for a bug;
- the parsing of the request and its check (`validate/requests.py`), inside the same error handling;
- an answer shortly before the caller's deadline that says what is still waited for;
- cancellation is logged and passed on: a use case protects work that must outlive its caller.
"""

import asyncio
import errno
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from cri_shim.activity.error_names import Named, naming_objects
from cri_shim.errors import CriShimError, InvalidArgument, NotFound, Unimplemented
from cri_shim.rpc import message_size
from cri_shim.rpc.call import Call, Context
from cri_shim.rpc.codes import KIND_KEY, code_of, wire_text
from cri_shim.rpc.encoded import Encoded
from cri_shim.rpc.guard import Guard
from cri_shim.rpc.log_subject import describe

SERVER_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", message_size.MAX_BYTES),
    ("grpc.max_send_message_length", -1),  # message_size refuses earlier, with a helpful text
]

Check = Callable[[Message], None]
Response = Message | Encoded


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What calls of a service have in common.

    `check` is called with each request before its method and raises InvalidArgument. `named` finds
    the name of an object for log lines and errors. `stopping`: the server is being shut down.
    `begin` is called in the task of each call, before anything else. `guard` checks and records
    the peer.
    """

    check: Check | None = None
    named: Named = lambda kind, id: None
    stopping: Callable[[], bool] = lambda: False
    begin: Callable[[], None] = lambda: None
    guard: Guard | None = None


def add(
    server: grpc.aio.Server,
    service: ServiceDescriptor,
    implementation: object,
    around: Surroundings | None = None,
) -> None:
    """Serve `service` on `server` by the methods of `implementation`.

    Raises TypeError if `implementation` has a method that is not an RPC, or of the wrong sort.
    """
    names = {method.name for method in service.methods}
    own = {name for name in dir(implementation) if name[0].isupper()}
    if stray := own - names:
        raise TypeError(f"{service.full_name} has no RPC {', '.join(sorted(stray))}")
    around = around or Surroundings()
    handlers = {
        method.name: _handler(method, getattr(implementation, method.name, None), around)
        for method in service.methods
    }
    generic = grpc.method_handlers_generic_handler(service.full_name, handlers)
    server.add_generic_rpc_handlers((generic,))


def _handler(
    method: MethodDescriptor, serve: Callable[..., Any] | None, around: Surroundings
) -> "grpc.RpcMethodHandler[Any, Any]":
    writer = GetMessageClass(method.output_type).SerializeToString
    if serve is None:
        behaviour = _absent(method)
        around = replace(around, check=None)
    elif method.server_streaming != inspect.isasyncgenfunction(serve):
        wanted = "an async generator" if method.server_streaming else "a coroutine function"
        raise TypeError(f"{method.full_name} must be {wanted}")
    else:
        behaviour = serve
    if method.server_streaming:
        serve_stream = _streaming(method, behaviour, around)
        return grpc.unary_stream_rpc_method_handler(serve_stream, None, writer)
    return grpc.unary_unary_rpc_method_handler(_unary(method, behaviour, around))


def _absent(method: MethodDescriptor) -> Callable[[Message], Any]:
    # The words of Go's gRPC server: clients of the CRI look for them.
    problem = f"unknown method {method.name} for service {method.containing_service.full_name}"

    async def refuse(request: Message) -> Message:
        raise Unimplemented(problem)

    async def refuse_stream(request: Message) -> AsyncIterator[Message]:
        if problem:  # always; the yield below is what makes it a generator
            raise Unimplemented(problem)
        yield request

    return refuse_stream if method.server_streaming else refuse


def _unary(
    method: MethodDescriptor, serve: Callable[[Message], Awaitable[Response]], around: Surroundings
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def handle(raw: bytes, context: Context) -> bytes:
        async with _call(method, raw, context, around) as (request, call):
            response = await _in_time(serve(request), call.time_to_answer())
            limit = message_size.allowed(context.invocation_metadata())
            data = message_size.fitting(method, response.SerializeToString(), limit)
            if isinstance(response, Message):
                call.answered(response)
        return data

    return handle


def _streaming(
    method: MethodDescriptor, serve: Callable[[Message], Any], around: Surroundings
) -> Callable[[bytes, Context], Awaitable[None]]:
    async def handle(raw: bytes, context: Context) -> None:
        async with _call(method, raw, context, around) as (request, call):
            async with aclosing(serve(request)) as responses:
                async for response in responses:
                    call.streaming = True
                    await context.write(response)

    return handle


class _Late(Exception):
    """The caller's deadline is near, and there is no response."""


async def _in_time(serving: Awaitable[Response], limit: float | None) -> Response:
    try:
        async with asyncio.timeout(limit) as near:
            return await serving
    except TimeoutError as error:
        if near.expired():
            raise _Late from error
        raise


def _parsed(kind: Descriptor, raw: bytes) -> Message:
    try:
        return GetMessageClass(kind).FromString(raw)
    except DecodeError as error:
        problem = f"the request is no {kind.full_name}: its {len(raw)} bytes cannot be parsed"
        raise InvalidArgument("", problem) from error


def _code_of_os(error: OSError) -> grpc.StatusCode:
    """A full disk is temporary, so the caller gets UNAVAILABLE; otherwise only the text matters."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return grpc.StatusCode.UNAVAILABLE if full else grpc.StatusCode.UNKNOWN


@asynccontextmanager
async def _call(
    method: MethodDescriptor, raw: bytes, context: Context, around: Surroundings
) -> AsyncIterator[tuple[Message, Call]]:
    """Run one call: parse and check its request, log one line, turn errors into statuses."""
    around.begin()
    name, call = method.name, Call(method.name, context, around.named)
    guard = around.guard
    try:
        if guard is not None:
            call.caller.peer = guard.enter(name, context.peer())
        request = _parsed(method.input_type, raw)
        call.parsed(request)
        with naming_objects(around.named):
            if around.check is not None:
                around.check(request)
            if guard is None:
                yield request, call
            else:
                object = describe(request, around.named)
                async with guard.recorded(name, object, call.caller.peer):
                    yield request, call
    except CriShimError as error:
        code = code_of(error)
        # Callers ask in order to find out if an object exists or an RPC is served: no warning.
        usual = isinstance(error, (NotFound, Unimplemented))
        call.failed(code.name, str(error), usual=usual)
        kind = (KIND_KEY, type(error).__name__)
        await context.abort(code, wire_text(str(error)), (*call.metadata, kind))
    except _Late:
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, wire_text(call.late()))
    except OSError as error:  # an error of the machine, not of the caller and not a bug
        code = _code_of_os(error)
        call.broke(code.name, str(error))
        await context.abort(code, wire_text(f"{name}: {error}"))
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        call.broke("INTERNAL", text)
        await context.abort(grpc.StatusCode.INTERNAL, wire_text(f"{name} met a bug: {text}"))
    except BaseException:
        call.cancelled(stopping=around.stopping())
        raise
    else:
        call.succeeded()
