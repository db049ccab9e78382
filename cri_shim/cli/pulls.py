"""image pulls, and the progress of image pull: bars on a terminal, lines elsewhere."""

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cri_shim.cli.screen import COLUMNS, Screen, is_live
from cri_shim.errors import CriShimError
from cri_shim.untrusted import one_line

if TYPE_CHECKING:
    from cri_shim.pb.control_pb2 import LayerPull, Pull
    from cri_shim.rpc.client import Client

_BAR, _SHORTEST = 30, 5  # characters
_BESIDE_BAR = 48  # characters of a layer's line besides its bar
_ID = 12  # characters of a digest
_DONE = "done"
QUIET_S = 10.0  # after which it is told, where no bar is drawn, how far a pull is


def size(count: int) -> str:
    """Format bytes for people: 1.2MB."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f}{unit}" if unit == "B" else f"{amount:.1f}{unit}"
        amount /= 1000
    return f"{amount:.1f}GB"


async def show(client: "Client", *, watch: bool) -> None:
    """Print the running pulls; with `watch` again after each change, until it is interrupted."""
    from cri_shim.pb import control_pb2

    screen = Screen(is_live(sys.stdout))
    async for answer in client.control.WatchPulls(control_pb2.WatchPullsRequest(watch=watch)):
        columns = screen.columns()
        shown = [line for pull in answer.pulls for line in described(pull, columns)]
        screen.draw(shown or ["no image is being pulled"])


async def follow(client: "Client", name: str) -> None:
    """Show on standard error how far the pull of `name` is, until this is cancelled."""
    from cri_shim.pb import control_pb2

    screen, told = Screen(is_live(sys.stderr), sys.stderr), Told(name)
    reminder = None if screen.live else asyncio.create_task(_remind(told))
    try:
        async for answer in client.control.WatchPulls(control_pb2.WatchPullsRequest(watch=True)):
            for pull in answer.pulls:
                if pull.name != name:
                    continue
                if screen.live:
                    screen.draw(described(pull, screen.columns()))
                else:
                    for line in told.news(pull):
                        print(line, file=sys.stderr, flush=True)
    except CriShimError:
        pass  # the pull itself says what is wrong
    finally:
        if reminder is not None:
            reminder.cancel()


async def _remind(told: "Told") -> None:
    while True:
        await asyncio.sleep(QUIET_S)
        for line in told.reminder():
            print(line, file=sys.stderr, flush=True)


class Told:
    """What was told of a pull in lines, so that each is told once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = time.monotonic()
        self._pull: Pull | None = None
        self._quiet = True  # since the last reminder
        self._layers: set[str] = set()
        self._trouble = ""

    def reminder(self) -> Iterator[str]:
        """Yield how far the pull is, if nothing was told since the last reminder."""
        quiet, self._quiet, pull = self._quiet, True, self._pull
        if not quiet:
            return
        if pull is None or not pull.total:
            waited = time.monotonic() - self._began
            yield one_line(f"pulling {self._name}: no answer of the registry for {waited:.0f} s")
        else:
            have = sum(layer.state == _DONE for layer in pull.layers)
            layers = f"{have} of {len(pull.layers)} layers"
            yield one_line(
                f"pulling {self._name}: {layers}, {size(pull.done)} of {size(pull.total)}"
            )

    def news(self, pull: "Pull") -> Iterator[str]:
        """Yield a line for each layer that is here now, and for each new trouble."""
        self._pull = pull
        for line in self._news(pull):
            self._quiet = False
            yield line

    def _news(self, pull: "Pull") -> Iterator[str]:
        if pull.trouble and pull.trouble != self._trouble:
            self._trouble = pull.trouble
            yield one_line(f"again, try {pull.attempt}: {pull.trouble}")
        for number, layer in enumerate(pull.layers, 1):
            if layer.state == _DONE and layer.digest not in self._layers:
                self._layers.add(layer.digest)
                of = f"layer {number} of {len(pull.layers)}"
                yield one_line(f"{of}: {_short(layer)} {size(layer.total)}")


def described(pull: "Pull", columns: int = COLUMNS) -> list[str]:
    """Return the lines of a pull: a summary, then a bar for each layer.

    The amounts of bytes fit into `columns`; a long name at the end of the summary may not.
    """
    asked = f", for {', '.join(pull.asked_by)}" if pull.asked_by else ""
    host = f" from {pull.host}" if pull.host else ""
    parts = [f"{pull.reference or pull.name}{host}{asked}"]
    if pull.total:
        parts.insert(0, f"{size(pull.done)} of {size(pull.total)}, {size(pull.rate)}/s")
    if pull.trouble:
        parts.append(f"repeated: {pull.trouble}")
    width = max(_SHORTEST, min(_BAR, columns - _BESIDE_BAR))
    bars = [one_line(_bar(layer, width)) for layer in pull.layers]
    return [one_line(": ".join(parts)), *bars]


def _bar(layer: "LayerPull", width: int) -> str:
    filled = width * layer.done // layer.total if layer.total else width
    bar = "=" * filled + " " * (width - filled)
    again = f", try {layer.attempt}" if layer.attempt > 1 else ""
    amount = f"{size(layer.done)}/{size(layer.total)}"
    return f"  {_short(layer)} [{bar}] {amount:>17} {layer.state}{again}"


def _short(layer: "LayerPull") -> str:
    return layer.digest.removeprefix("sha256:")[:_ID]


async def beside(client: "Client", name: str, pulling: "asyncio.Future[str]") -> str:
    """Return the result of `pulling`, and show the progress meanwhile."""
    following = asyncio.ensure_future(follow(client, name))
    try:
        return await pulling
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
