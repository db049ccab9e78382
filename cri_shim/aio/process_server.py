"""The program that own_process starts: it forks a process for each call, and does nothing else.

Standard input is a socket. A message [number, module, function] is a call. It has two descriptors:
the items are read from the first, as JSON; a line of JSON for each outcome is written to the
second. A message [number] kills the process of that call. All processes end with the socket.
"""

import ctypes
import importlib
import json
import os
import signal
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PR_SET_PDEATHSIG = 1
_MESSAGE_LIMIT = 4096

_children: dict[int, int] = {}  # number -> pid, of the processes that have not ended


def main() -> None:
    signal.signal(signal.SIGCHLD, _reap)
    with socket.socket(fileno=0) as daemon:
        while True:
            message, descriptors, _, _ = socket.recv_fds(daemon, _MESSAGE_LIMIT, 2)
            if not message:
                break
            number, *call = json.loads(message)
            with _nobody_reaped():
                if call:
                    _begin(number, call[0], call[1], *descriptors)
                elif number in _children:
                    os.kill(_children[number], signal.SIGKILL)


def _reap(_signal: int, _frame: Any) -> None:
    while _children and (pid := os.waitpid(-1, os.WNOHANG)[0]):
        for number in [number for number, of in _children.items() if of == pid]:
            del _children[number]


@contextmanager
def _nobody_reaped() -> Iterator[None]:
    """In the block no child is reaped, so that its pid cannot be reused."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _begin(number: int, module: str, name: str, items: int, answers: int) -> None:
    call = getattr(importlib.import_module(module), name)  # in the parent: once for all later calls
    us = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == us:
                os.close(0)
                _call(call, items, answers)
        finally:
            os._exit(0)
    _children[number] = pid
    os.close(items)
    os.close(answers)


def _call(call: Any, items: int, answers: int) -> None:
    with open(items, "rb") as file:
        arguments = json.load(file)
    for item in arguments:
        try:
            outcome = ["result", call(*item)]
        except OSError as e:
            name = None if e.filename is None else os.fsdecode(e.filename)
            outcome = ["error", e.errno, e.strerror, name]
        except Exception:
            outcome = ["failed", traceback.format_exc()]
        os.write(answers, json.dumps(outcome).encode() + b"\n")
