"""A pod's user namespace and the namespaces that belong to it, pinned to files.

A thread cannot have its own user namespace, so a short-lived child makes all namespaces: unshare(1)
executes `cat`, which answers when the namespaces exist. Then the maps of the child are written, its
namespaces are pinned, and it is ended. A thread joins all but the user namespace and sets
loopback and host name. A child that joins the user and net namespaces sets their parameters (see
sysctls).
"""

import asyncio
import errno
import os
import select
import shutil
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

from cri_shim.aio import child as aio_child
from cri_shim.aio.memfile import memfile, text_of
from cri_shim.aio.offload import finish, offload
from cri_shim.errors import ToolFailed
from cri_shim.isolation import namespaces
from cri_shim.isolation import sysctls as isolation_sysctls
from cri_shim.isolation.sysctls import Parameter
from cri_shim.linux import idmap, nsenter, syscalls
from cri_shim.spec.userns import IdMap, UserNamespace

ANSWER_S = 10.0  # for the child's answer; it takes 2 ms
_MESSAGE_LIMIT = 1 << 12  # bytes of the child's error message
_TRIAL = IdMap.same(1 << 20, 1 << 16)
_FROM_INSIDE = ("user", "net")  # kinds of parameters that are set from inside
_IN_ENGLISH = {"LC_ALL": "C", "PATH": os.defpath}


async def pin(
    paths: Mapping[str, Path],
    ids: IdMap,
    *,
    hostname: str | None,
    sysctls: Collection[Parameter] = (),
    shared: bool = True,
) -> None:
    """Make new namespaces of the kinds of `paths`, which include "user", each pinned to its path.

    All belong to the user namespace, which has the mapping `ids`. As with namespaces.pin, a failure
    leaves nothing. ToolFailed has the words of unshare.
    """
    await offload(namespaces.make_places, paths, shared=shared)
    made: list[Path] = []
    try:
        async with _child(paths) as pid:
            await offload(_map_and_pin, pid, paths, ids, made)
        await offload(nsenter.in_fresh_thread, lambda: _set_up(paths, ids, hostname, sysctls))
        await write_inside(paths, [p for p in sysctls if p.kind in _FROM_INSIDE])
    except BaseException:
        await finish(asyncio.to_thread(_unpin, made))
        raise


@asynccontextmanager
async def trial(directory: Path, source: Path) -> AsyncIterator[UserNamespace]:
    """Yield a user namespace that is shown to support idmapped mounts of `source`.

    It exists during the block. ToolFailed or OSError says why this node cannot have one.
    """
    closed = [above for above in directory.parents if not above.stat().st_mode & 0o001]
    if closed:
        problem = f"root of a user namespace is another user and cannot pass {closed[0]}: chmod o+x"
        raise ToolFailed(problem)
    path = directory / "user"
    namespaces.unpin(path)  # left by a trial that was interrupted
    await pin({"user": path}, _TRIAL, hostname=None)
    try:
        try:
            idmap.check(source, path)
        except OSError as e:
            problem = f"the file system of {source} has no idmapped mounts: {e.strerror}"
            raise ToolFailed(problem) from e
        yield UserNamespace(path, _TRIAL)
    finally:
        namespaces.unpin(path)


@asynccontextmanager
async def _child(paths: Mapping[str, Path]) -> AsyncIterator[int]:
    """Yield the pid of a process in new namespaces of these kinds; it ends with the block."""
    program = shutil.which("unshare")
    if program is None:
        raise ToolFailed("unshare (util-linux) is not installed: no pod can have a user namespace")
    with ExitStack() as cleanup:
        stdin_r, stdin_w = os.pipe2(os.O_CLOEXEC)
        cleanup.callback(os.close, stdin_r)
        cleanup.callback(os.close, stdin_w)
        stdout_r, stdout_w = os.pipe2(os.O_CLOEXEC)
        cleanup.callback(os.close, stdout_r)
        stderr = cleanup.enter_context(memfile())
        command = [program, *(f"--{kind}" for kind in paths), "cat"]
        try:
            child = aio_child.spawn(command, stdin=stdin_r, stdout=stdout_w, stderr=stderr)
        finally:
            os.close(stdout_w)  # so that a read ends when the child ends
        try:
            await offload(_wait_ready, stdin_w, stdout_r)
            yield child.pid
        except _NoAnswer:
            await child.end()
            message = text_of(stderr, _MESSAGE_LIMIT).strip()
            problem = message or "it did not answer"
            raise ToolFailed(f"cannot make a user namespace: {problem}") from None
        finally:
            await child.end()


class _NoAnswer(Exception):
    pass


def _wait_ready(stdin_w: int, stdout_r: int) -> None:
    """Return when the child is `cat`: then unshare has made the namespaces."""
    with suppress(BrokenPipeError):
        os.write(stdin_w, b"\n")
    ready, _, _ = select.select([stdout_r], [], [], ANSWER_S)
    if not ready or not os.read(stdout_r, 1):
        raise _NoAnswer


def _map_and_pin(pid: int, paths: Mapping[str, Path], ids: IdMap, made: list[Path]) -> None:
    for kind, ranges in (("uid", ids.users), ("gid", ids.groups)):
        file, line = Path(f"/proc/{pid}/{kind}_map"), ranges.to_kernel()
        namespaces.step(f"map {kind}s {line.strip()}", file.write_text, line)
    for kind, target in paths.items():
        source = Path(f"/proc/{pid}/ns/{kind}")
        namespaces.step(f"pin the {kind} namespace", namespaces.bind, source, target, made)


def _set_up(
    paths: Mapping[str, Path], ids: IdMap, hostname: str | None, sysctls: Collection[Parameter]
) -> None:
    for kind, path in paths.items():
        if kind != "user":
            nsenter.enter(path, namespaces.KINDS[kind])
    namespaces.set_up(paths, hostname)
    isolation_sysctls.write(p for p in sysctls if p.kind == "uts")
    # Only the root id of the owning user namespace may set parameters of an ipc namespace. Taking
    # that id removes the rights that the other parameters need, so these come last.
    of_ipc = [p for p in sysctls if p.kind == "ipc"]
    if of_ipc:
        syscalls.set_thread_euid(ids.users.host_id)
        isolation_sysctls.write(of_ipc)


async def write_inside(paths: Mapping[str, Path], sysctls: Iterable[Parameter]) -> None:
    """Set parameters of the net or user namespace from inside the pod's user namespace.

    `paths` are the pod's pins. InvalidArgument for one that the kernel refuses.
    """
    joined = [f"--{kind}={paths[kind]}" for kind in _FROM_INSIDE if kind in paths]
    for parameter in sysctls:
        command = ["nsenter", *joined, "tee", f"/proc/sys/{parameter.path}"]
        done = await aio_child.run(command, stdin=parameter.data, env=_IN_ENGLISH, timeout=ANSWER_S)
        if done.returncode == 0:
            continue
        program, _, complaint = done.complaint().partition(": ")
        if program != "tee":
            raise ToolFailed(f"cannot enter the pod's namespaces by {program}: {complaint}")
        reason = complaint.rpartition(": ")[2]
        if reason == os.strerror(errno.ENOENT):
            raise parameter.missing()
        where = "in the pod's user namespace, where ids are the pod's own"
        raise parameter.refusal(f"the kernel refuses it {where}: {reason}")


def _unpin(made: list[Path]) -> None:
    for path in made:
        namespaces.unpin(path)
