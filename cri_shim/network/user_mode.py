"""`UserModeNetwork`: the network of rootless pods. The user may not change the node's.

Each pod has one process of pasta or slirp4netns beside it (see user_programs). A small file
describes it for the next daemon: it is written as an intent before the start, and again with pid
and start time. A process that dies is started again; its pod keeps its address. If neither program
is installed, or the user configured none, pods have only the loopback and the status says what to
install.
"""

import asyncio
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cri_shim.aio.keyed_lock import KeyedLock
from cri_shim.aio.offload import offload
from cri_shim.errors import CriShimError, NotFound, ToolFailed
from cri_shim.faults import fault_point
from cri_shim.linux import addresses
from cri_shim.linux.nsenter import is_pinned
from cri_shim.linux.privacy import make_private
from cri_shim.linux.process_handle import Process
from cri_shim.network import user_process, user_records
from cri_shim.network.driver import NOT_READY, TURNED_OFF, Attached, Networks, NetworkStatus
from cri_shim.network.user_programs import INTERFACE, PROGRAMS, Program, port_options
from cri_shim.network.user_records import Served
from cri_shim.pb import state_pb2

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # between attempts to start a dead process again
OFF = "none"  # in place of a program
_TUN = Path("/dev/net/tun")

_log = logging.getLogger(__name__)


class UserModeNetwork:
    def __init__(self, directory: Path, wanted: str, *, add_timeout: float) -> None:
        """`wanted`: the name of a program, "none", or "auto"; the time-out is in seconds."""
        self._directory = directory
        self._wanted = wanted
        self._limit = add_timeout
        self._served: dict[str, Served] = {}
        self._locks = KeyedLock()

    def limit(self, add: float, delete: float) -> None:
        """Set the seconds that the start of a program may take; its end takes no time."""
        self._limit = add

    async def start(self) -> None:
        """Take over the processes of the last daemon; a dead one is started again."""
        make_private(self._directory)
        for file in sorted(self._directory.glob("*.json")):
            served = user_records.read(file)
            if served is None or not is_pinned(served.netns):
                _log.warning("network of pod %s: it is gone, or %s is damaged", file.stem, file)
                if served is not None:
                    await user_process.end_all(served.netns)
                _forget(file)
                continue
            self._served[file.stem] = served
            self._follow(file.stem, served)

    async def stop(self) -> None:
        """End the watch; pods keep their networks."""
        for served in self._served.values():
            await self._unfollow(served)
        self._served.clear()

    def status(self) -> NetworkStatus:
        """Return whether pods can now have a network of their own."""
        program, problem = self._chosen()
        if program is None:
            reason = TURNED_OFF if self._wanted == OFF else NOT_READY
            return NetworkStatus(False, reason, problem)
        return NetworkStatus(True, "", "", tuple(self._problems()))

    def networks(self) -> Networks:
        """Return the program as the default. No network is usable: CNI needs the real root.

        Each pod whose process died and could not be started again yet is a problem.
        """
        program, _ = self._chosen()
        return Networks("" if program is None else program.name, [], self._problems())

    def plugins(self) -> dict[str, Path]:
        """Return the installed programs."""
        return {p.name: Path(path) for p in PROGRAMS if (path := shutil.which(p.name))}

    async def set_pod_cidr(self, cidr: str) -> None:
        """Do nothing: pods have no subnet of the node."""

    def plan(self, pod: state_pb2.PodRecord) -> list[state_pb2.NetworkAttachment]:
        """Return the intent; empty for the node's network, and if there is only the loopback.

        InvalidArgument for a host port that cannot be published.
        """
        if pod.network.host:
            return []
        program, _ = self._chosen()
        ports = port_options(program, pod.config)
        if program is None:
            return []
        config = json.dumps({"ports": ports}).encode()
        attachment = state_pb2.NetworkAttachment
        return [attachment(network=program.name, interface=INTERFACE, config=config)]

    async def attach(self, record: state_pb2.PodRecord) -> Attached:
        """Start the planned process; after a failure nothing is left. ToolFailed, TimedOut."""
        for planned in record.network.attachments:
            ports = json.loads(planned.config)["ports"]
            served = Served(Path(record.network.netns_path), planned.network, ports)
            async with self._locks(record.id):
                self._served[record.id] = served
                try:
                    await self._start(record.id, served)
                    ips = await offload(addresses.of_interface, served.netns, INTERFACE)
                    if not ips:
                        raise ToolFailed(  # noqa: TRY301
                            f"{planned.network} gave pod {record.id} no address: {INTERFACE} has"
                            " none but link-local ones; look whether the node itself has one"
                        )
                except BaseException as e:
                    await self._end(record.id, served.netns)
                    if isinstance(e, (OSError, NotFound)):
                        raise ToolFailed(f"the address of pod {record.id}: {e}") from e
                    raise
                self._follow(record.id, served)
            dns = next((p.dns for p in PROGRAMS if p.name == planned.network), "")
            return Attached(ips, user_records.result(served, ips), [dns])
        return Attached([], b"")

    async def detach(self, record: state_pb2.PodRecord) -> None:
        """End the process; idempotent, needs only the record. ToolFailed if it does not end."""
        if record.network.attachments:
            async with self._locks(record.id):
                fault_point("network.user.end")
                await self._end(record.id, Path(record.network.netns_path))

    async def gc(self, valid: Callable[[], Iterable[tuple[str, str]]]) -> None:
        """End the processes that serve no pod of `valid()`."""
        known = {id for id, _ in valid()}
        for id in self._served.keys() - known:
            async with self._locks(id):
                await self._end(id, self._served[id].netns)

    async def forget(self, pod_id: str) -> None:
        """Do nothing: `gc` ends the processes of pods that are not known."""

    def subnets(self) -> list[str]:
        return []

    async def uninstall(self) -> None:
        """Do nothing: there is only each pod's process, and it ends with the pod."""

    def _problems(self) -> list[str]:
        return [f"pod {id}: {s.problem}" for id, s in self._served.items() if s.problem]

    def _chosen(self) -> tuple[Program | None, str]:
        """Return the program for new pods, or the reason why there is none and the remedy."""
        if self._wanted == OFF:
            return None, "network.user_mode is none: pods have the node's network, or the loopback"
        able = [p for p in PROGRAMS if self._wanted in ("auto", p.name)]
        found = next((p for p in able if shutil.which(p.name)), None)
        if found is None:
            names, packages = (" or ".join(group) for group in _names(able))
            return None, (
                f"{names} is not installed: pods have the node's network, or nothing but the"
                f" loopback; install the package {packages}"
            )
        if not os.access(_TUN, os.R_OK | os.W_OK):
            return None, f"{found.name} needs {_TUN}, which this user may not open: chmod 666 it"
        return found, ""

    async def _start(self, id: str, served: Served) -> None:
        """Start the pod's process and record it in the file. The caller holds the lock."""
        program = next((p for p in PROGRAMS if p.name == served.program), None)
        path = shutil.which(served.program)
        if program is None or path is None:
            raise ToolFailed(f"{served.program} is not installed any more: install it again")
        served.pid = served.start_time = 0
        user_records.write(self._file(id), served)
        fault_point("network.user.start")
        started = await user_process.start(program, path, served.netns, served.ports, self._limit)
        served.pid, served.start_time = started.pid, started.start_time
        fault_point("network.user.record")
        user_records.write(self._file(id), served)

    async def _end(self, id: str, netns: Path) -> None:
        served = self._served.pop(id, None)
        if served is not None:
            await self._unfollow(served)
        file = self._file(id)
        recorded = served or user_records.read(file)
        if recorded is not None and recorded.pid:
            await user_process.end(recorded)
        await user_process.end_all(netns)
        fault_point("network.user.forget")
        _forget(file)

    def _file(self, id: str) -> Path:
        return self._directory / f"{id}.json"

    def _follow(self, id: str, served: Served) -> None:
        """Watch for the end of the process; one that has ended is started again at once."""
        served.process = Process.of(served)
        if served.process.gone:
            self._ended(id, served)
        else:
            served.process.on_end(self._ended, id, served)

    def _ended(self, id: str, served: Served) -> None:
        _release(served)
        _log.warning("the %s of pod %s has ended: it is started again", served.program, id)
        served.restart = asyncio.create_task(self._restart(id, served), name=f"network of {id}")

    async def _restart(self, id: str, served: Served) -> None:
        pause = FIRST_PAUSE_S
        while True:
            async with self._locks(id):
                if self._served.get(id) is not served:
                    return
                try:
                    await user_process.end_all(served.netns)
                    await self._start(id, served)
                except (CriShimError, OSError) as e:
                    served.problem = str(e)
                    _log.warning("network of pod %s, next try in %g s: %s", id, pause, e)
                else:
                    served.problem, served.restart = "", None
                    self._follow(id, served)
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _unfollow(self, served: Served) -> None:
        _release(served)
        if served.restart is not None:
            served.restart.cancel()
            await asyncio.gather(served.restart, return_exceptions=True)
            served.restart = None


def _release(served: Served) -> None:
    if served.process is not None:
        served.process.close()
        served.process = None


def _names(programs: Sequence[Program]) -> tuple[list[str], list[str]]:
    return [p.name for p in programs], [p.package for p in programs]


def _forget(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as e:  # it is no valid record, and is ignored
        _log.warning("cannot remove %s: %s", file, e.strerror)
