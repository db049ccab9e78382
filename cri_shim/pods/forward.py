"""PortForward: connects to a port of the pod from inside its network namespace.

A socket stays in the namespace where it was made. A thread in that namespace makes it; everything
else happens on the loop.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress

from cri_shim import lifecycle
from cri_shim.aio import descriptors
from cri_shim.aio.offload import offload
from cri_shim.engine import Engine
from cri_shim.errors import ResourceExhausted, Unavailable, WrongState
from cri_shim.linux import nsenter
from cri_shim.pb import state_pb2 as state

CONNECT_S = 30.0  # for localhost to answer; a full backlog may take a while
_TARGETS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def ready(engine: Engine, pod_id: str) -> state.PodRecord:
    """Return the pod if its ports can be reached; WrongState, NotFound."""
    pod = engine.objects.pod(pod_id)
    if not lifecycle.is_ready(pod):
        raise WrongState(f"pod {pod.id} is not ready: its ports cannot be reached")
    return pod


async def connect(engine: Engine, pod_id: str, port: int) -> socket.socket:
    """Return a socket connected to `localhost:port` of the pod, IPv4 first; the caller closes it.

    Unavailable if nothing answers on the port; WrongState, NotFound for the pod.
    """
    pod = ready(engine, pod_id)
    problems = []
    for family, address in _TARGETS:
        try:
            return await _connect(_maker(engine, pod, family), address, port)
        except (OSError, TimeoutError) as e:
            if e.errno in (errno.EMFILE, errno.ENFILE):
                raise ResourceExhausted(
                    f"cannot connect to port {port} of pod {pod.id}: no descriptor is left for it;"
                    " end other sessions, or raise the daemon's limit of open files (LimitNOFILE=)"
                ) from e
            problems.append(f"{address}: {os.strerror(e.errno) if e.errno else 'no answer'}")
    raise Unavailable(
        f"cannot connect to port {port} of pod {pod.id}: {'; '.join(problems)};"
        " does a program in the pod listen on it?"
    )


def _maker(engine: Engine, pod: state.PodRecord, family: int) -> Callable[[], socket.socket]:
    def make() -> socket.socket:
        return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    if pod.network.host:
        return make
    return lambda: nsenter.in_netns(engine.paths.netns(pod.id), make)


async def _connect(make: Callable[[], socket.socket], address: str, port: int) -> socket.socket:
    made = await offload(make)  # if this is cancelled, the socket is closed with its last reference
    if descriptors.is_last(made.fileno()):
        made.close()
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    try:
        with suppress(OSError):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(CONNECT_S):
            await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made
