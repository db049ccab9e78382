"""The program that own_process starts: it forks a process for each call, and does nothing else.

Standard input is a socket. A message [number, module, function] is a call. It has two descriptors:
the items are read from the first, as JSON; a line of JSON for each outcome is written to the
second. A message [number] kills the process of that call. All processes end with the socket.
"""

import ctypes
import importlib
import json
import os
import select
import signal
import socket
import traceback
from typing import Any

_PR_SET_PDEATHSIG = 1
_MESSAGE_LIMIT = 4096

_children: dict[int, int] = {}  # number -> pid, of the processes that were not reaped


def main() -> None:
    ended, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    # It does nothing: a second signal interrupts the handler of the first.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with socket.socket(fileno=0) as daemon:
        while True:
            ready, _, _ = select.select([daemon.fileno(), ended], [], [])
            if ended in ready:
                os.read(ended, _MESSAGE_LIMIT)
                _reap()
            if daemon.fileno() in ready and not _obey(daemon):
                break


def _reap() -> None:
    while _children and (pid := os.waitpid(-1, os.WNOHANG)[0]):
        for number in [number for number, of in _children.items() if of == pid]:
            del _children[number]


def _obey(daemon: socket.socket) -> bool:
    """Do what the next message says; return whether there was one."""
    message, descriptors, _, _ = socket.recv_fds(daemon, _MESSAGE_LIMIT, 2)
    if not message:
        return False
    number, *call = json.loads(message)
    if call:
        _begin(number, call[0], call[1], *descriptors)
    elif number in _children:  # not reaped yet: the pid is still its own
        os.kill(_children[number], signal.SIGKILL)
    return True


def _begin(number: int, module: str, name: str, items: int, answers: int) -> None:
    call = getattr(importlib.import_module(module), name)  # in the parent: once for all later calls
    us = os.getpid()
    try:
        pid = os.fork()
    except OSError as e:
        _answer(answers, ["failed", f"no process can be started for it: {e.strerror}"])
        pid = -1
    if pid == 0:
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == us:
                os.close(0)
                _call(call, items, answers)
        finally:
            os._exit(0)
    if pid > 0:
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
        _answer(answers, outcome)


def _answer(answers: int, outcome: list[Any]) -> None:
    os.write(answers, json.dumps(outcome).encode() + b"\n")
