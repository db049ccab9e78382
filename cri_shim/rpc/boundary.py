"""Turns a gRPC call into a plain method call, and an error into a status.

`add(server, descriptor, implementation)` serves every RPC that the protobuf service descriptor
lists, with the message classes named there, so the generated server code is not needed. The
implementation is any object whose methods have the names of the RPCs and take only the request:

    async def StopPodSandbox(self, request: StopPodSandboxRequest) -> StopPodSandboxResponse
    async def GetContainerEvents(self, request: ...) -> AsyncIterator[...]:   # with `yield`

An RPC without a method answers UNIMPLEMENTED with its name. A method without an RPC, or of the
wrong sort, is a programming error found at start. Each call has:

- a number, in its log line and in the context variable `call_number` for log lines of other code;
- the parsing of the request and its check (`validate/requests.py`), inside the same error handling;
- ONE log line at the end: method, object, milliseconds, outcome. Reads, which the kubelet repeats
  every second, are logged at debug level, verbs at info, failures at warning. An error that is not
  a CriShimError is logged with its traceback and answered with its text, as INTERNAL for a bug;
- cancellation is logged and passed on: a use case protects work that must outlive its caller.
"""

import errno
import inspect
import itertools
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from cri_shim.errors import CriShimError, InvalidArgument, NotFound, Unimplemented
from cri_shim.rpc import message_size
from cri_shim.rpc.codes import KIND_KEY, code_of, wire_text
from cri_shim.rpc.log_subject import describe, outcome

log = logging.getLogger(__name__)

SERVER_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", message_size.MAX_BYTES),
    ("grpc.max_send_message_length", -1),  # message_size refuses earlier, with a helpful text
]

call_number: ContextVar[int] = ContextVar("call_number", default=0)
_numbers = itertools.count(1)

_READS = re.compile(
    r"(List|Stream).*|.*(Status|Stats)|Version|Info|WatchPulls|ImageFsInfo|RuntimeConfig"
)

Check = Callable[[Message], None]
Context = Any  # grpc.aio.ServicerContext: its published types do not fit the real coroutines


def add(
    server: grpc.aio.Server,
    service: ServiceDescriptor,
    implementation: object,
    check: Check | None = None,
) -> None:
    """Serve `service` on `server` by the methods of `implementation`.

    `check` is called with each request before its method and raises InvalidArgument. Raises
    TypeError when `implementation` has a method that is not an RPC, or of the wrong sort.
    """
    names = {method.name for method in service.methods}
    own = {name for name in dir(implementation) if name[0].isupper()}
    if stray := own - names:
        raise TypeError(f"{service.full_name} has no RPC {', '.join(sorted(stray))}")
    handlers = {
        method.name: _handler(method, getattr(implementation, method.name, None), check)
        for method in service.methods
    }
    generic = grpc.method_handlers_generic_handler(service.full_name, handlers)
    server.add_generic_rpc_handlers((generic,))


def _handler(
    method: MethodDescriptor, serve: Callable[..., Any] | None, check: Check | None
) -> "grpc.RpcMethodHandler[Any, Any]":
    writer = GetMessageClass(method.output_type).SerializeToString
    if serve is None:
        behaviour = _absent(method)
        check = None
    elif method.server_streaming != inspect.isasyncgenfunction(serve):
        wanted = "an async generator" if method.server_streaming else "a coroutine function"
        raise TypeError(f"{method.full_name} must be {wanted}")
    else:
        behaviour = serve
    if method.server_streaming:
        serve_stream = _streaming(method, behaviour, check)
        return grpc.unary_stream_rpc_method_handler(serve_stream, None, writer)
    return grpc.unary_unary_rpc_method_handler(_unary(method, behaviour, check))


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
    method: MethodDescriptor, serve: Callable[[Message], Awaitable[Message]], check: Check | None
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def handle(raw: bytes, context: Context) -> bytes:
        async with _call(method, raw, context) as (request, answered):
            if check is not None:
                check(request)
            response = await serve(request)
            limit = message_size.allowed(context.invocation_metadata())
            data = message_size.fitting(method, response.SerializeToString(), limit)
            answered(response)
        return data

    return handle


def _streaming(
    method: MethodDescriptor, serve: Callable[[Message], Any], check: Check | None
) -> Callable[[bytes, Context], Awaitable[None]]:
    async def handle(raw: bytes, context: Context) -> None:
        async with _call(method, raw, context) as (request, _):
            if check is not None:
                check(request)
            async with aclosing(serve(request)) as responses:
                async for response in responses:
                    await context.write(response)

    return handle


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
    method: MethodDescriptor, raw: bytes, context: Context
) -> AsyncIterator[tuple[Message, Callable[[Message], None]]]:
    """Run one call: give it a number and its request, log one line, turn errors into statuses."""
    name, number = method.name, next(_numbers)
    call_number.set(number)
    level = logging.DEBUG if _READS.fullmatch(name) else logging.INFO
    begin = time.monotonic()
    made = ""
    request: Message | None = None

    def answered(response: Message) -> None:
        nonlocal made
        if log.isEnabledFor(level):
            made = outcome(response)

    def line(at: int, result: str, *, trace: bool = False) -> None:
        if log.isEnabledFor(at):
            elapsed = (time.monotonic() - begin) * 1000
            what = "" if request is None else describe(request)
            text = "call %d %s%s %.1f ms: %s"
            log.log(at, text, number, name, what, elapsed, result, exc_info=trace)

    try:
        request = _parsed(method.input_type, raw)
        yield request, answered
    except CriShimError as error:
        code = code_of(error)
        # Callers ask in order to find out if an object exists or an RPC is served: no warning.
        usual = isinstance(error, (NotFound, Unimplemented))
        line(level if usual else logging.WARNING, f"{code.name}: {error}")
        await context.abort(code, wire_text(str(error)), ((KIND_KEY, type(error).__name__),))
    except OSError as error:  # an error of the machine, not of the caller and not a bug
        code = _code_of_os(error)
        line(logging.ERROR, f"{code.name}: {error}", trace=True)
        await context.abort(code, wire_text(f"{name}: {error}"))
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        line(logging.ERROR, f"INTERNAL: {text}", trace=True)
        await context.abort(grpc.StatusCode.INTERNAL, wire_text(f"{name} met a bug: {text}"))
    except BaseException as error:
        line(level, f"ended by {type(error).__name__}")
        raise
    else:
        line(level, f"OK{made}")
