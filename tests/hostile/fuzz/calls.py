"""Input of the CRI socket: requests of every kind, and malformed bytes."""

import asyncio
import json
import logging
import random
import struct
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc.aio
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.rpc import boundary
from cri_shim.rpc.listening import Listening
from cri_shim.rpc.log_subject import describe
from cri_shim.spec import container, namespaces, users
from cri_shim.spec.container import ContainerInput
from cri_shim.spec.host import Host
from cri_shim.spec.image_config import ImageConfig
from cri_shim.validate.requests import Validator
from tests.fixtures import http2
from tests.hostile.fuzz import mutation
from tests.hostile.fuzz.target import Run, Target, pure

_SERVICES = [
    *api.DESCRIPTOR.services_by_name.values(),
    *control.DESCRIPTOR.services_by_name.values(),
]
_METHODS = sorted((m for s in _SERVICES for m in s.methods), key=lambda m: m.full_name)
_TEXTS = (
    "",
    "a",
    "/a",
    "../a",
    "/a/../b",
    "\0",
    "\u202e",
    "a\nb",
    "x" * 5000,
    "0-3,9",
    "2MB",
    "10.0.0.1",
    "net.ipv4.ip_forward",
    "kernel.shm_rmid_forced",
    "rwm",
    "localhost/x",
    "runtime/default",
    "SIGKILL",
    "vendor.com/gpu=0",
    "sha256:" + "a" * 64,
    "busybox",
    "fd00::1",
    "80",
    "true",
    "ALL",
    "CAP_KILL",
)
_NUMBERS = (0, 1, -1, 2, 80, 1000, 65535, 65536, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**32)
_DEPTH = 7
_WAIT_S = 20.0  # for an answer that must come
_MOMENT_S = 0.02  # for one that need not


def _message(rng: random.Random, kind: Descriptor, depth: int = 0) -> Message:
    """A message with some of its fields set, to values that are likely and unlikely."""
    made = GetMessageClass(kind)()
    for field in kind.fields:
        if depth > _DEPTH or rng.random() < 0.5:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(made, field.name)[rng.choice(_TEXTS)] = rng.choice(_TEXTS)
            continue
        for _ in range(rng.choice((1, 1, 1, 2, 5)) if field.is_repeated else 1):
            with suppress(ValueError, TypeError):  # out of the field's range
                _set(rng, made, field, depth)
    return made


def _set(rng: random.Random, made: Message, field: FieldDescriptor, depth: int) -> None:
    value: Any
    if field.message_type is not None:
        value = _message(rng, field.message_type, depth + 1)
        into = getattr(made, field.name)
        (into.add() if field.is_repeated else into).CopyFrom(value)
        return
    if field.type == FieldDescriptor.TYPE_STRING:
        value = rng.choice(_TEXTS)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        value = rng.randbytes(3)
    elif field.type == FieldDescriptor.TYPE_BOOL:
        value = rng.random() < 0.5
    elif field.type == FieldDescriptor.TYPE_ENUM:
        value = rng.choice((0, 1, 2, 3, 99, -1))
    else:
        value = rng.choice(_NUMBERS)
    if field.is_repeated:
        getattr(made, field.name).append(value)
    else:
        setattr(made, field.name, value)


def _requests() -> list[bytes]:
    """A method's number, then a request for it."""
    rng = random.Random(0)
    return [
        struct.pack(">H", number) + _message(rng, method.input_type).SerializeToString()
        for number, method in enumerate(_METHODS)
    ]


def _of_messages(rng: random.Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    """A new request, or any bytes of one changed."""
    if rng.random() < 0.3:
        return mutation.of_bytes(rng, data, corpus)
    number = rng.randrange(len(_METHODS))
    made = _message(rng, _METHODS[number].input_type)
    return struct.pack(">H", number) + made.SerializeToString()


def _request(data: bytes) -> None:
    """A request is checked, and described in one line."""
    number = int.from_bytes(data[:2], "big") % len(_METHODS)
    request = GetMessageClass(_METHODS[number].input_type).FromString(data[2:])
    assert describe(request).isprintable()
    Validator()(request)


_HOST = Host(cgroup_v2=True, bounding=frozenset({"CAP_KILL", "CAP_CHOWN", "CAP_SYS_ADMIN"}))
_IMAGE = ImageConfig(env=("PATH=/bin",), entrypoint=("/entry",), working_dir="/srv", user="1000")


def _document(data: bytes) -> None:
    """Of a container that was admitted, there is a document, or a reason why there is none."""
    request = api.CreateContainerRequest.FromString(data)
    Validator()(request)
    config, pod = request.config, request.sandbox_config
    made = container.build(
        ContainerInput(
            id="c",
            pod_id="p",
            pod=pod,
            config=config,
            image=_IMAGE,
            host=_HOST,
            user=users.resolve(config.linux.security_context, "1000", "", ""),
            cgroups_path="/x",
            namespaces=namespaces.for_container(config, pod, {}),
            hostname="h",
            rootfs="/r",
        )
    )
    json.dumps(made).encode()


def _creations() -> list[bytes]:
    rng = random.Random(1)
    return [_creation(rng) for _ in range(20)]


def _creation(rng: random.Random) -> bytes:
    made = _message(rng, api.CreateContainerRequest.DESCRIPTOR)
    assert isinstance(made, api.CreateContainerRequest)
    made.pod_sandbox_id = "p"
    made.config.metadata.name = "main"
    made.config.image.image = "busybox"
    return made.SerializeToString()


def _of_creations(rng: random.Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    return mutation.of_bytes(rng, data, corpus) if rng.random() < 0.2 else _creation(rng)


# -- bytes at the socket --------------------------------------------------------------------------


def _bytes() -> list[bytes]:
    begin = http2.BEGIN
    name = b"\0\0\0\0\3\x0a\1x"
    return [
        begin + http2.call(b"Version", b"\0\0\0\0\0"),
        begin
        + http2.call(b"StopPodSandbox", name)
        + http2.call(b"ListContainers", b"\0\0\0\0\0", 3),
        begin + http2.call(b"Version", b""),  # no message at all
        begin + http2.call(b"Version", b"\0\0\0\0\0" * 2),  # two of them
        begin + http2.call(b"Version", b"\1\0\0\0\3abc"),  # one that says it is compressed
        begin
        + http2.frame(6, 0, 0, bytes(8))
        + http2.frame(8, 0, 0, struct.pack(">I", 1))
        + http2.frame(3, 0, 1, bytes(4)),
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ]


class _Runtime:
    """The least that can be called."""

    async def Version(self, request: api.VersionRequest) -> api.VersionResponse:
        return api.VersionResponse(version="0.1.0")


@asynccontextmanager
async def _serving(socket: Path) -> AsyncIterator[None]:
    def make() -> grpc.aio.Server:
        server = grpc.aio.server(options=boundary.SERVER_OPTIONS)
        services = api.DESCRIPTOR.services_by_name
        boundary.add(
            server, services["RuntimeService"], _Runtime(), boundary.Surroundings(Validator())
        )
        boundary.add(server, services["ImageService"], object(), boundary.Surroundings(Validator()))
        return server

    listening = Listening(socket, make)
    await listening.open()
    try:
        yield
    finally:
        await listening.close(0.0)


@contextmanager
def _socket() -> Iterator[Run]:
    logging.getLogger("cri_shim").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="cri-shim-fuzz-") as directory:
        socket = Path(directory, "s")
        with asyncio.Runner() as runner:
            serving = _serving(socket)
            runner.run(serving.__aenter__())
            try:
                yield lambda data: runner.run(_attempt(socket, data))
            finally:
                runner.run(serving.__aexit__(None, None, None))


async def _attempt(socket: Path, data: bytes) -> None:
    """The connection ends, and the next caller is served."""
    await http2.say(socket, data, _MOMENT_S)
    answer = b""
    async with asyncio.timeout(_WAIT_S):
        while b"0.1.0" not in answer:  # a server that has ended takes a moment to be made again
            with suppress(FileNotFoundError, ConnectionError):
                answer = await http2.say(socket, _bytes()[0], _WAIT_S)
            await asyncio.sleep(0)
    assert b"0.1.0" in answer, answer[:500]


TARGETS = (
    Target("call", _requests, pure(_request), (DecodeError, InvalidArgument), _of_messages),
    Target(
        "container document",
        _creations,
        pure(_document),
        (DecodeError, InvalidArgument),
        _of_creations,
    ),
    Target("socket", _bytes, _socket),
)
