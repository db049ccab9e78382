"""One call of one CNI plugin: environment, standard input, time limit, and output.

A plugin runs in a session of its own, because it may be waiting for a program that it started (its
IPAM plugin). After a time-out or a cancellation, all of them are killed and the plugin is reaped
before anything else happens, so that no reservation can come after the clean-up.
"""

import asyncio
import errno
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cri_shim.activity import Step
from cri_shim.aio import child
from cri_shim.errors import TimedOut, ToolFailed
from cri_shim.network import versions
from cri_shim.network.conflist import Plugin
from cri_shim.untrusted import parse_json, printable

OUTPUT_LIMIT = 1 << 17  # bytes kept of each stream: more than a result may have, see `result`
BUSY_TRIES, BUSY_PAUSE_S = 5, 1.0  # as in libcni: a program may be replacing the binary (ETXTBSY)
NOT_INSTALLED = "is not installed (looked in "  # in the error of `find`
VERSION_LIMIT_S = 5.0  # the start of the daemon waits for it

_log = logging.getLogger(__name__)

_SHOWN = 2000  # characters of a plugin's message in an error or a log line
_UNKNOWN_VERSION_COMMAND = "unknown CNI_COMMAND: VERSION"


@dataclass(frozen=True, slots=True)
class Target:
    """The container and interface of a call; the empty one is for STATUS and GC."""

    container_id: str = ""
    netns: str = ""
    interface: str = ""
    args: str = ""


NOTHING = Target()


class PluginError(ToolFailed):
    """A plugin's own error: `code` is CNI's (11: try again later; from 100: the plugin's own)."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Plugins:
    """The plugin binaries of a list of directories."""

    def __init__(self, directories: Sequence[Path], mark: Mapping[str, str] | None = None) -> None:
        """`mark` is added to every plugin's environment; the rest of it is the daemon's own."""
        self.directories = tuple(directories)
        own = {key: value for key, value in os.environ.items() if not key.startswith("CNI_")}
        self._env = own | {"CNI_PATH": ":".join(map(str, self.directories))} | dict(mark or {})
        self._versions: dict[tuple[str, int, int, int], frozenset[str]] = {}

    def find(self, kind: str) -> Path:
        """Return the binary of a plugin type; ToolFailed has the type and the directories."""
        for directory in self.directories:
            path = directory / kind
            if path.is_file():
                return path
        searched = ", ".join(map(str, self.directories)) or "no directory at all"
        raise ToolFailed(f"CNI plugin {kind} is not installed (looked in {searched})")

    def installed(self) -> dict[str, Path]:
        """Return every installed plugin type, with the path that `find` would return."""
        found: dict[str, Path] = {}
        for directory in reversed(self.directories):
            if directory.is_dir():
                found |= {path.name: path for path in directory.iterdir() if path.is_file()}
        return {kind: found[kind] for kind in sorted(found) if os.access(found[kind], os.X_OK)}

    async def call(
        self,
        verb: str,
        plugin: Plugin,
        *,
        network: str,
        version: str,
        target: Target = NOTHING,
        extra: Mapping[str, Any] | None = None,
        timeout: float,
    ) -> bytes:
        """Run one plugin and return its standard output.

        `extra` (prevResult, the attachments of GC) is added to the plugin's object on standard
        input; `timeout` is in seconds. Raises PluginError, TimedOut, or ToolFailed if the binary
        is missing.
        """
        path = self.find(plugin["type"])
        document = {**plugin, "name": network, "cniVersion": version, **(extra or {})}
        of = f" of network {network}"
        if target.container_id:
            of += f" for pod {target.container_id}"
        what = f"CNI plugin {plugin['type']}: {verb}{of}"
        env = self._environment(verb, target)
        waits_for = f"CNI plugin {plugin['type']}, {verb}{network and f' of network {network}'}"
        try:
            with Step(
                f"CNI {plugin['type']} {verb}",
                waits_for,
                limit=timeout,
                program=True,
                counted=("cni", plugin["type"], verb),
            ) as step:
                async with asyncio.timeout(timeout):
                    done = await _run_patiently(path, json.dumps(document).encode(), env)
                step.failed = done.returncode != 0
        except TimeoutError as e:
            raise TimedOut(f"{what} did not end within {timeout:g} s and was killed") from e
        if done.returncode != 0:
            raise _failure(what, done.returncode, done.stdout, done.stderr)
        if done.stderr:
            _log.debug("%s: %s", what, printable(_text(done.stderr), _SHOWN))
        return done.stdout

    async def supported_versions(self, kind: str) -> frozenset[str]:
        """Return the CNI versions of a plugin, asked once for each binary; raises ToolFailed."""
        path = self.find(kind)
        at = path.stat()
        key = str(path), at.st_mtime_ns, at.st_size, at.st_ino
        if key not in self._versions:
            self._versions[key] = await self._ask_versions(kind)
        return self._versions[key]

    async def _ask_versions(self, kind: str) -> frozenset[str]:
        # Very old plugins need every variable to be set for every command.
        dummies = Target(netns="dummy", interface="dummy")
        try:
            out = await self.call(
                "VERSION", {"type": kind}, network="", version=versions.NEWEST,
                target=dummies, timeout=VERSION_LIMIT_S,
            )  # fmt: skip
            answer = parse_json(out)
            supported = answer.get("supportedVersions") or [answer.get("cniVersion", "")]
            return frozenset(filter(versions.known, (v or versions.FIRST for v in supported)))
        except PluginError as e:
            if _UNKNOWN_VERSION_COMMAND in str(e):
                return frozenset({versions.FIRST})
            raise
        except (ValueError, AttributeError, TypeError) as e:
            raise ToolFailed(f"CNI plugin {kind}: its answer to VERSION is unreadable: {e}") from e

    def _environment(self, verb: str, target: Target) -> dict[str, str]:
        env = self._env | {"CNI_COMMAND": verb}
        if target != NOTHING:
            env |= {
                "CNI_CONTAINERID": target.container_id,
                "CNI_NETNS": target.netns,
                "CNI_IFNAME": target.interface,
                "CNI_ARGS": target.args,
            }
        return env


def _failure(what: str, code: int, out: bytes, err: bytes) -> PluginError:
    """Make the error from the plugin's error object on standard output, or from its output."""
    try:
        error = parse_json(out)
        message = ": ".join(str(error[key]) for key in ("msg", "details") if error.get(key))
        number = int(error.get("code", 0)) % 1000  # CNI's codes end at 999
    except (ValueError, AttributeError, TypeError):
        message, number = "", 0
    if message:
        return PluginError(f"{what}: {printable(message, _SHOWN)} (code {number})", number)
    text = printable((_text(err) or _text(out))[-_SHOWN:], _SHOWN) or "no message"
    ended = f"exit status {code}" if code >= 0 else f"killed by signal {-code}"
    return PluginError(f"{what}: {text} ({ended})", number)


def _text(output: bytes) -> str:
    return output.decode(errors="replace").strip()


async def _run_patiently(path: Path, stdin: bytes, env: Mapping[str, str]) -> child.Finished:
    run = partial(child.run, [str(path)], stdin=stdin, env=env, limit=OUTPUT_LIMIT, session=True)
    for _ in range(BUSY_TRIES - 1):
        try:
            return await run()
        except ToolFailed as e:
            cause = e.__cause__
            if not isinstance(cause, OSError) or cause.errno != errno.ETXTBSY:
                raise
            await asyncio.sleep(BUSY_PAUSE_S)
    return await run()
