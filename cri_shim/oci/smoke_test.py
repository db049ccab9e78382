"""Tests an OCI runtime on this node: it creates a container, never starts it, and deletes it.

Versions are not enough: crun refuses unknown cgroup layouts, runc may lack systemd, a kernel may
lack a namespace; each reports this only when it creates a container. All names are fixed, so that
the next test removes the remains of an interrupted one.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from cri_shim.aio import child
from cri_shim.aio.memfile import memfile, text_of
from cri_shim.aio.offload import finish
from cri_shim.errors import TimedOut
from cri_shim.linux.mounts import Mount, parse_mountinfo
from cri_shim.linux.process_handle import Process
from cri_shim.oci import bundle, messages
from cri_shim.oci.stdio import no_input
from cri_shim.spec.userns import UserNamespace

TRIAL_S = 30.0  # for the create; it takes 10 ms
OPTION_AT = "/trial.d"
_SYSFS = {"destination": "/sys", "type": "sysfs", "source": "sysfs"}


async def run(
    command: Sequence[str],
    directory: Path,
    *,
    name: str,
    env: Mapping[str, str],
    systemd: bool = False,
    option: str = "",
    userns: UserNamespace | None = None,
    maps_ids: bool = True,
    groups: str | None = "",
) -> list[Mount]:
    """Test the OCI runtime `command` (with global options); `directory` is made, used and removed.

    Its control group is below `groups`; "" means all of them; with None the document names none.
    With `userns` the container joins that namespace, and all its other namespaces belong to it; the
    document has its ids if `maps_ids`.
    Returns the mounts of the container; with `option`, /dev is bound at /trial.d with that option.
    ToolFailed with the runtime's own message if it cannot create a container; TimedOut.
    """
    # Two daemons on one machine may test the same handler: the directory makes their ids different.
    tag = hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
    id = f"cri-shim-trial-{tag}"
    command = [command[0], f"--root={directory / 'root'}", *command[1:]]
    await _clear(command, directory, id, env)
    try:
        cgroup = f"cri-shim.slice:cri-shim:{id}" if systemd else f"{groups}/{id}"
        ids: dict[str, Any] = userns.ids.of_linux() if userns is not None and maps_ids else {}
        _prepare(directory, cgroup if groups is not None else "", option, userns, ids)
        return await _create(command, directory, id, env, f"trial of handler {name} failed")
    finally:
        await finish(_clear(command, directory, id, env))


def _prepare(
    directory: Path,
    cgroups_path: str,
    option: str,
    userns: UserNamespace | None,
    ids: dict[str, Any],
) -> None:
    rootfs = directory / "bundle" / "rootfs"
    kinds = [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]
    if userns is not None:
        kinds += [{"type": "user", "path": str(userns.path)}, {"type": "network"}]
    bound = {"destination": OPTION_AT, "type": "bind", "source": "/dev"}
    for below in ("proc", "dev", "sys", OPTION_AT.strip("/")):
        (rootfs / below).mkdir(parents=True)
    # `create` looks for this program, and `start`, which is never called, would execute it.
    (rootfs / "trial").write_text("#!/trial\n")
    (rootfs / "trial").chmod(0o755)
    bundle.write(
        directory / "bundle",
        {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": ["/trial"],
                "env": ["PATH=/"],
                "cwd": "/",
                "capabilities": {},
                "noNewPrivileges": True,
            },
            "root": {"path": "rootfs", "readonly": True},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                *([_SYSFS] if userns is not None else []),
                *([bound | {"options": ["rbind", "rprivate", option]}] if option else []),
            ],
            "linux": {
                "namespaces": kinds,
            }
            | (_grouped(cgroups_path, cgroups_path.count("/") > 1) if cgroups_path else {})
            | ids,
        },
    )


def _grouped(path: str, delegated: bool) -> dict[str, Any]:
    """Return the document's group; device rules only without delegation, where they are allowed."""
    rules = {} if delegated else {"resources": {"devices": [{"allow": False, "access": "rwm"}]}}
    return {"cgroupsPath": path, **rules}


async def _create(
    command: Sequence[str], directory: Path, id: str, env: Mapping[str, str], attempt: str
) -> list[Mount]:
    with ExitStack() as cleanup:
        output = cleanup.enter_context(memfile())
        nothing = no_input()
        cleanup.callback(os.close, nothing)
        made = child.spawn(
            [
                *(*command, "create", f"--bundle={directory / 'bundle'}"),
                *(f"--pid-file={directory / 'pid'}", id),
            ],
            stdin=nothing,
            stdout=output,
            stderr=output,
            env=env,
            session=True,
        )
        try:
            async with asyncio.timeout(TRIAL_S):
                code = await made.wait()
        except TimeoutError as e:
            raise TimedOut(f"{attempt}: no container within {TRIAL_S:g} s") from e
        finally:
            await made.end()
        if code:
            raise messages.failure(attempt, text_of(output))
        pid_file = directory / "pid"
        try:
            info = Path("/proc", pid_file.read_text().strip(), "mountinfo")
            return list(parse_mountinfo(info.read_text(errors="surrogateescape")))
        finally:
            await _kill(pid_file)


async def _clear(command: Sequence[str], directory: Path, id: str, env: Mapping[str, str]) -> None:
    """Remove everything of this test, and of one that was interrupted. Idempotent."""
    if (directory / "root" / id).exists():
        await child.run([*command, "delete", "--force", id], env=env, timeout=TRIAL_S)
    shutil.rmtree(directory, ignore_errors=True)


async def _kill(pid_file: Path) -> None:
    """Kill the init of the test: `delete --force` would do it too, but takes 100 ms with runc.

    Call this at once: later another process may have the pid.
    """
    with suppress(OSError, ValueError):
        with Process.at(int(pid_file.read_text())) as init:
            await init.kill()
