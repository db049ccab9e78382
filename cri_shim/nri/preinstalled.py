"""Plugins that the daemon starts: the programs of a directory, each with its configuration.

The file INDEX-NAME is the program of the plugin NAME. Its configuration is the file INDEX-NAME.conf
or NAME.conf in another directory. The program gets one end of a socket; the number of the
descriptor is in NRI_PLUGIN_SOCKET.
"""

import asyncio
import contextlib
import logging
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from cri_shim import ownership
from cri_shim.aio import child
from cri_shim.aio.offload import offload
from cri_shim.errors import CriShimError
from cri_shim.nri import names
from cri_shim.nri.joining import Known
from cri_shim.nri.plugins import MOST, Plugins
from cri_shim.untrusted import printable, read_file, reason, text

CONFIG_LIMIT = 1 << 20  # bytes of a plugin's configuration; it must fit into a message

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """A program in the directory of plugins."""

    path: Path
    index: str
    name: str
    config: str


def find(directory: Path, configs: Path) -> list[Program]:
    """Return the usable plugins in the order of their names; the others are logged. Blocks."""
    try:
        entries = sorted(path.name for path in directory.iterdir())[: 2 * MOST]
    except FileNotFoundError:
        return []
    except OSError as e:
        _log.error("no NRI plugin is started: %s: %s", directory, e.strerror)
        return []
    found = []
    for entry in entries:
        try:
            program = _program(directory / entry, configs)
        except (CriShimError, OSError, ValueError) as e:
            what = reason(e) if isinstance(e, OSError | ValueError) else str(e)
            path = getattr(e, "filename", None) or directory / entry
            _log.error("NRI plugin %s is not started: %s: %s", entry, printable(path), what)
            continue
        if program is not None:
            found.append(program)
    return found


def _program(path: Path, configs: Path) -> Program | None:
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode) or not facts.st_mode & 0o111:
        return None
    named = names.of_file(path.name)
    if named is None:
        raise ValueError("its name must be two digits, - and a name of letters, digits and _.+-")
    if problem := ownership.of_file(path) or ownership.of_way(path):
        raise ValueError(problem)
    return Program(path, *named, _config(configs, path.name, named[1]))


def _config(directory: Path, *names: str) -> str:
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            return text(read_file(directory / f"{name}.conf", CONFIG_LIMIT))
    return ""


async def start(plugins: Plugins, directory: Path, configs: Path) -> None:
    """Start the plugins of a directory; return when each is connected or has failed."""
    programs = await offload(find, directory, configs)
    await asyncio.gather(*(_start(plugins, program) for program in programs))


async def _start(plugins: Plugins, program: Program) -> None:
    try:
        ours, theirs = socket.socketpair()
        try:
            process = _spawn(program, theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        await plugins.join(ours, Known(program.index, program.name, program.config, process))
    except (CriShimError, OSError) as e:
        _log.error("NRI plugin %s is not connected: %s", program.path.name, e)


def _spawn(program: Program, theirs: socket.socket) -> child.Child:
    fd = theirs.fileno()
    environment = {
        "NRI_PLUGIN_NAME": program.name,
        "NRI_PLUGIN_IDX": program.index,
        "NRI_PLUGIN_SOCKET": str(fd),
    }
    return child.spawn(
        [str(program.path)],
        stderr=None,
        session=True,
        env=environment,
        pass_fds=(fd,),
        cwd="/",
    )
