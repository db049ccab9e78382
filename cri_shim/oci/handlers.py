"""Runtime handlers: the OCI runtimes of the node, and whether they work on this machine.

A handler counts as working when it has created a container (see `smoke_test`), once for each binary
and boot. crun is run through a read-only bind mount of itself. Otherwise it copies and re-executes
itself in each call, as a protection against being overwritten from inside a container (4.7 -> 2.4
ms a call). runc gains nothing from this.
"""

import dataclasses
import errno
import json
import logging
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim import ownership
from cri_shim.aio import child
from cri_shim.errors import CriShimError, ToolFailed
from cri_shim.linux import mounts
from cri_shim.linux.privacy import let_group_pass, make_private, write_private
from cri_shim.oci import messages, smoke_test
from cri_shim.spec.userns import UserNamespace
from cri_shim.untrusted import first_line, parse_json, read_file

_MEMORY_LIMIT = 64 << 10  # bytes
NOT_TRIED = "it was not tried"
# The options with which crun (True) and other runtimes (False) leave control groups alone.
_WITHOUT_GROUPS = {True: "--cgroup-manager=disabled", False: "--rootless=true"}
BINARIES = "oci-bin"  # the directory of bind mounts below the run root
VERSION_S = 10.0  # for `--version` and `features`, which do nothing

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Features:
    """The one feature that the CRI asks about: recursive read-only mounts."""

    rro: bool = False


@dataclass(frozen=True, slots=True)
class Handler:
    """An OCI runtime with the name that the kubelet uses; `problem` is "" if it works here."""

    name: str
    path: Path  # the binary
    run_path: Path  # the executed file: the binary, or the bind mount of it
    root: Path  # of its own state
    version: str = ""
    features: Features = Features()
    problem: str = ""
    userns_problem: str = NOT_TRIED  # why it supports no user namespaces for pods; "" = it does
    maps_ids: bool = True  # it needs the ids of a user namespace that it joins in the document
    options: tuple[str, ...] = ()  # global options, for every call

    @property
    def is_found(self) -> bool:
        """Whether there is such a program; otherwise `path` means nothing."""
        return self.path != Path()

    @property
    def is_crun(self) -> bool:
        return _is_crun(self.version)

    @property
    def lacked_room(self) -> bool:
        """Whether a full disk prevented the test, so that it must be repeated."""
        return _lacked_room(self.problem) or _lacked_room(self.userns_problem)


def executable(what: str, candidates: Sequence[str]) -> Path:
    """Return the first path of `candidates` that can be executed; ToolFailed names all if none can.

    ToolFailed also for a file that other users may change, because it runs as root.
    """
    for candidate in candidates:
        path = Path(candidate)
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113 - never raises
            if problem := ownership.of_file(path):
                raise ToolFailed(f"{path} is not used as {what}: {problem}")
            return path
    tried = ", ".join(candidates) or "no path is configured"
    raise ToolFailed(f"no {what} found; tried: {tried}")


async def probe(
    name: str,
    candidates: Sequence[str],
    *,
    run_root: Path,
    boot_id: str,
    env: Mapping[str, str],
    systemd_cgroup: bool = False,
    userns: UserNamespace | str = NOT_TRIED,
    groups: str | None = "",
    bind_as: str = "",
) -> Handler:
    """Return the handler `name`, found on a list of paths and tested.

    Never fails: the error, with the OCI runtime's own message, is in `problem`. Handlers of
    different names may be probed at the same time. `userns` is a namespace to test, or the reason
    why this node can have none. `groups` is the control group below which the runtime may make
    groups, "" for all; with None it must leave them alone. `bind_as` is the name of crun's bind
    mount, which calls in hand may use; "": the handler's name.
    """
    root = run_root / "oci" / name
    unusable = Handler(name, Path(), Path(), root)
    try:
        path = executable(f"OCI runtime for handler {name}", candidates)
        unusable = dataclasses.replace(unusable, path=path)
        make_private(root.parent)
        make_private(root)
        version = await _version(path, env)
        run_path = (
            _bind(path, run_root / BINARIES / (bind_as or name)) if _is_crun(version) else path
        )
        options = () if groups is not None else (_WITHOUT_GROUPS[_is_crun(version)],)
        handler = Handler(name, path, run_path, root, version, options=options)
        cache = run_root / "handlers"
        return await _tried(handler, cache, boot_id, env, systemd_cgroup, userns, groups)
    except (CriShimError, OSError) as e:
        return dataclasses.replace(unusable, problem=str(e))


async def _tried(
    handler: Handler,
    cache: Path,
    boot_id: str,
    env: Mapping[str, str],
    systemd_cgroup: bool,
    userns: UserNamespace | str,
    groups: str | None,
) -> Handler:
    """Add the features if it can create a container; remember a success, but not a failure."""
    stat = handler.path.stat()
    identity = [str(handler.path), stat.st_ino, stat.st_size, stat.st_mtime_ns]
    identity += [boot_id, systemd_cgroup, userns if isinstance(userns, str) else ""]
    identity += handler.options
    make_private(cache)
    if isinstance(userns, UserNamespace):
        let_group_pass(cache, userns.ids.groups.host_id)  # the test's root file system is below
    cache_file = cache / f"{handler.name}.json"
    if (stored := _stored(cache_file, identity)) is not None:
        return dataclasses.replace(handler, **stored)

    async def run_test(
        option: str = "", space: UserNamespace | None = None, maps_ids: bool = True
    ) -> list[mounts.Mount]:
        command = [str(handler.run_path), *handler.options]
        command += ["--systemd-cgroup"] if systemd_cgroup else []
        where = cache / handler.name
        name = handler.name
        return await smoke_test.run(
            command, where, name=name, env=env, systemd=systemd_cgroup, option=option, userns=space,
            maps_ids=maps_ids, groups=groups,
        )  # fmt: skip

    try:
        await run_test()
    except CriShimError as e:
        return dataclasses.replace(handler, problem=str(e))
    features = await _features(handler.path, env)
    if features is None:
        features = Features(rro=await _mounts_rro(run_test))
    problem, maps_ids = userns if isinstance(userns, str) else "", True
    if isinstance(userns, UserNamespace):
        problem = await _error_of(run_test(space=userns))
        # runc before 1.2 needs the ids; later ones warn about ids that they can read themselves.
        if not problem and not handler.is_crun:
            maps_ids = bool(await _error_of(run_test(space=userns, maps_ids=False)))
    found = {"of": identity, "features": dataclasses.asdict(features), "userns": problem}
    if not _lacked_room(problem):
        _store(cache_file, found | {"maps_ids": maps_ids})
    return dataclasses.replace(
        handler, features=features, userns_problem=problem, maps_ids=maps_ids
    )


def _lacked_room(problem: str) -> bool:
    return any(os.strerror(code) in problem for code in (errno.ENOSPC, errno.EDQUOT))


async def _error_of(attempt: Awaitable[object]) -> str:
    """Return the error; "" if there is none."""
    try:
        await attempt
    except CriShimError as e:
        return str(e)
    return ""


def _store(cache_file: Path, found: Mapping[str, Any]) -> None:
    """Save the result for the next start; without it, as on a full disk, that start tests again."""
    try:
        write_private(cache_file, json.dumps(found))
    except OSError as e:
        _log.warning("cannot write %s: %s", cache_file, e.strerror)


def _stored(cache_file: Path, identity: list[Any]) -> dict[str, Any] | None:
    """Return the result for this binary in this boot, as fields of a Handler."""
    try:
        found = parse_json(read_file(cache_file, _MEMORY_LIMIT))
        known = {
            "features": Features(**found["features"]),
            "userns_problem": str(found["userns"]),
            "maps_ids": bool(found["maps_ids"]),
        }
        return known if found["of"] == identity else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


async def _version(path: Path, env: Mapping[str, str]) -> str:
    """Return the first line of `--version`, such as "crun version 1.8.1"."""
    done = await child.run([str(path), "--version"], env=env, timeout=VERSION_S)
    if done.returncode:
        raise messages.failure(f"{path} --version", done.complaint())
    return first_line(done.stdout)


def _is_crun(version: str) -> bool:
    return version.startswith("crun ")


async def _features(path: Path, env: Mapping[str, str]) -> Features | None:
    """Return the answer to `features`; None from a runtime too old for that sub-command."""
    done = await child.run([str(path), "features"], env=env, timeout=VERSION_S)
    try:
        return parse_features(parse_json(done.stdout)) if done.returncode == 0 else None
    except (ValueError, AttributeError, TypeError):
        return None


async def _mounts_rro(run_test: Callable[[str], Awaitable[list[mounts.Mount]]]) -> bool:
    """Whether it knows `rro`: some versions of crun do, but do not report it (such as 1.8.1)."""
    try:
        found = await run_test("rro")
    except CriShimError:
        return False
    at = Path(smoke_test.OPTION_AT)
    bound = [m for m in found if m.target.is_relative_to(at)]
    return bool(bound) and all("ro" in m.options for m in bound)


def parse_features(found: Mapping[str, Any]) -> Features:
    """Return the answer to `features` as the CRI's RuntimeHandlerFeatures.

    Its idmap extension does not matter: the daemon makes idmapped mounts itself.
    """
    return Features(rro="rro" in (found.get("mountOptions") or ()))


def _bind(path: Path, target: Path) -> Path:
    """Mount the binary read-only at `target` and return that; the binary itself if this fails."""
    try:
        make_private(target.parent)
        if mounts.is_mounted(target):
            if path.samefile(target):
                return target
            mounts.unmount(target)  # the binary was replaced; running processes keep the old one
        target.touch(mode=0o755)
        mounts.bind(path, target, readonly=True)
    except OSError:
        return path
    return target


def release_leftovers(directory: Path, names: Collection[str]) -> None:
    """End the bind mounts of a daemon that died, except those of `names`, which `probe` takes."""
    for target in mounts.mounts_below(directory):
        if target.name not in names:
            mounts.unmount(target)
            target.unlink(missing_ok=True)


def release(handler: Handler) -> None:
    """End the bind mount that `probe` made. Idempotent.

    Processes that were started from it continue; conmons of running containers do not start it any
    more.
    """
    if handler.run_path not in (handler.path, Path()):
        mounts.unmount(handler.run_path)
        handler.run_path.unlink(missing_ok=True)
