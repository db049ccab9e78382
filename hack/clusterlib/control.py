"""Starts a cluster, ends it, and runs commands inside it."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hack.clusterlib import files, host, images, machine, namespaces
from hack.clusterlib.namespaces import supervisor
from hack.clusterlib.place import NODE, ClusterError, Place

UP_LIMIT_S = 180.0
_DOWN_LIMIT_S = 90.0
_SOCKET_LIMIT = 107  # bytes; the kernel's limit


def up(place: Place) -> None:
    """Make the directory, start everything, and return when the node is Ready."""
    _make(place)
    with _alone(place):
        try:
            host.save(place)
            host.make_cgroups(place)
            files.write(place)
            images.store(place)
            namespaces.start(place, environment(place))
            _await_ready(place)
        except BaseException as e:
            _remove(place, keep_logs=isinstance(e, Exception))  # an interrupted start keeps no logs
            raise


def _make(place: Place) -> None:
    """Make the directory; before that, raise if no cluster is possible there."""
    directory = place.directory
    if not directory.is_absolute():
        raise ClusterError(f"{directory} is not an absolute path: --directory needs one")
    if len(os.fsencode(place.socket)) > _SOCKET_LIMIT:
        raise ClusterError(f"{directory} is too long a path for a socket in it: use a shorter one")
    if pid := supervisor(place):
        raise ClusterError(f"a cluster runs in {directory} (pid {pid}): `down` ends it")
    if directory.exists():
        _check_ours(place)
        with _alone(place):
            raise ClusterError(f"{directory} is left from an earlier cluster: `down` removes it")
    if problems := list(machine.problems(directory)):
        raise ClusterError("; ".join(problems))
    try:
        place.create()
    except OSError as e:
        raise ClusterError(f"{directory} cannot be made: {e.strerror}") from e


def _check_ours(place: Place) -> None:
    if not place.directory.is_dir() or not place.is_ours():
        raise ClusterError(f"{place.directory} is not the directory of a cluster: name another one")


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    """Lock the directory, so that no other `up` or `down` works in it."""
    fd = os.open(place.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        message = f"another hack/cluster brings up or ends the cluster in {place.directory}"
        raise ClusterError(f"{message}: wait for its end") from None
    finally:
        os.close(fd)


def down(place: Place) -> None:
    """End every program and pod, and remove everything; idempotent."""
    if not place.directory.exists():
        host.remove_cgroups(place)  # only the directory was removed
        return
    _check_ours(place)
    with _alone(place):
        _remove(place)


def _remove(place: Place, *, keep_logs: bool = False) -> None:
    namespaces.end(place, _DOWN_LIMIT_S)
    if keep_logs and (place / "log").exists():
        kept = Path(f"{place.directory}-log")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(place / "log", kept)
        print(f"cluster: the logs are kept in {kept}", file=sys.stderr)
    host.remove_cgroups(place)
    host.restore(place)
    shutil.rmtree(place.directory, ignore_errors=True)
    if place.directory.exists():
        raise ClusterError(f"{place.directory} cannot be removed: is something mounted in it?")


def run(place: Place, command: Sequence[str]) -> int:
    """Run a command in the namespaces of the cluster, with its kubectl and crictl settings."""
    pid = supervisor(place)
    if not pid:
        raise ClusterError(f"no cluster runs in {place.directory}: `up` starts one")
    enter = [*namespaces.entering(pid), f"--wdns={Path.cwd()}"]
    return subprocess.run([*enter, *command], env=environment(place), check=False).returncode


def environment(place: Place) -> dict[str, str]:
    """Return our environment without proxies: they would take requests to API server and pods."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return kept | {
        "PATH": f"{place.programs}:{kept['PATH']}",
        "KUBECONFIG": str(place.kubeconfig),
        "CONTAINER_RUNTIME_ENDPOINT": f"unix://{place.socket}",
        "CRI_SHIM_CLUSTER": str(place.directory),
        "CRI_SHIM_CLUSTER_PROGRAMS": str(place.programs),
    }


def _await_ready(place: Place) -> None:
    limit = time.monotonic() + UP_LIMIT_S
    command = ["kubectl", "get", "node", NODE, "-o", "json"]
    while True:
        pid = supervisor(place)
        if not pid:
            raise ClusterError(f"the supervisor ended: {place.log('supervisor').read_text()}")
        enter = ["nsenter", f"--target={pid}", "--mount", "--net"]
        done = subprocess.run(
            [*enter, *command], env=environment(place), capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and _is_ready(json.loads(done.stdout)):
            return
        if time.monotonic() > limit:
            raise ClusterError(f"the node is not Ready after {UP_LIMIT_S:g} s: {done.stderr}")
        time.sleep(0.5)


def _is_ready(node: dict[str, object]) -> bool:
    conditions = node["status"]["conditions"]  # type: ignore[index]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
