"""The program of the worker process: `main` reads orders from its input until it ends.

Failures of the pull and of blobs are events; anything else ends the process with a traceback, which
the daemon reports. Threads may be in the middle of a read, so the process ends by os._exit.
"""

import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import IO, NoReturn, TypeVar

from cri_shim.registry.events import Events
from cri_shim.registry.failure import Failure
from cri_shim.registry.pull import Pull, environment
from cri_shim.registry.request import MAX_LINE, Fetch, Request, order, request

T = TypeVar("T")

BROKEN_EXIT = 2  # a mistake of this program


def main() -> None:
    events = Events()
    lines = sys.stdin.buffer
    pull = _guarded(events, lambda: _start(events, lines))
    _guarded(events, lambda: _obey(pull, lines))
    pull.drop()
    _end(0)


def _start(events: Events, lines: IO[bytes]) -> Pull:
    """Read the request, and look for the image while further lines are awaited."""
    wanted = request(_line(lines))
    pull = Pull(wanted, events, environment())
    threading.Thread(
        target=lambda: _guarded(events, lambda: _resolve(pull, wanted, events)), daemon=True
    ).start()
    return pull


def _resolve(pull: Pull, wanted: Request, events: Events) -> None:
    """Tell what the image is, then start the threads for its blobs."""
    pull.resolve()
    for step in [pull.tell, *[pull.work] * wanted.layers_at_once]:
        threading.Thread(target=_guarded, args=(events, step), daemon=True).start()


def _obey(pull: Pull, lines: IO[bytes]) -> None:
    while line := _line(lines):
        match order(line):
            case Fetch() as fetch:
                pull.fetch(fetch)
            case cancel:
                pull.cancel(cancel.digest)


def _line(lines: IO[bytes]) -> bytes:
    line = lines.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise Failure("argument", f"a line for the worker has more than {MAX_LINE} bytes")
    return line


def _guarded(events: Events, step: Callable[[], T]) -> T:
    """Return the result of a step; its failure is that of the pull, and ends the process."""
    try:
        return step()
    except Failure as e:
        events.failed("", e)
        _end(1)
    except BrokenPipeError:  # the daemon has gone
        _end(1)
    except BaseException:
        traceback.print_exc()
        _end(BROKEN_EXIT)


def _end(code: int) -> NoReturn:
    sys.stderr.flush()
    os._exit(code)
