"""kubectl in one Kubernetes namespace, and what tests wait for."""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from hack.clusterlib.images import BUSYBOX
from hack.clusterlib.place import Place

LIMIT_S = 90.0
MOUNT = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}  # of the volume that `volume` makes
# The ends of scripts. A shell takes a signal only while no program runs in front of it.
STAY = "sleep 3600 & wait"
SERVE = "httpd -f -p 8080 -h /w & wait"
T = TypeVar("T")
Object = dict[str, Any]


class KubectlError(Exception):
    """The stderr of kubectl."""


class Namespace:
    """One namespace of the cluster in `place`; its name is made from the test's."""

    def __init__(self, place: Place, test: str) -> None:
        self.place = place
        digest = hashlib.sha256(f"{test}{time.time_ns()}".encode()).hexdigest()[:8]
        words = "".join(c if c.isalnum() else "-" for c in test.removeprefix("test_").lower())
        self.name = f"{words[:40].strip('-')}-{digest}"

    def create(self) -> None:
        """Create it, and wait for the service account that every pod needs."""
        kubectl("create", "namespace", self.name)
        eventually(lambda: self.get("serviceaccount", "default"))

    def delete(self) -> None:
        """Begin to delete it with all that is in it; `await_deleted` waits for the end."""
        kubectl("delete", "namespace", self.name, "--wait=false")

    def describe(self) -> None:
        """Print what explains a failure."""
        for words in (["describe", "pods"], ["get", "events"]):
            print(self("", *words, check=False))

    def __call__(self, stdin: str, *words: str, check: bool = True, limit: float = LIMIT_S) -> str:
        """kubectl with these words in this namespace; its output."""
        return kubectl("-n", self.name, *words, stdin=stdin, check=check, limit=limit)

    def run(self, *words: str, check: bool = True, limit: float = LIMIT_S) -> str:
        """The same without input."""
        return self("", *words, check=check, limit=limit)

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Create or change objects."""
        listing = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self(json.dumps(listing), "apply", "-f", "-")

    def get(self, kind: str, name: str) -> Object:
        found: Object = json.loads(self.run("get", kind, name, "-o", "json"))
        return found

    def items(self, kind: str, selector: str = "") -> list[Object]:
        words = ["-l", selector] if selector else []
        found: list[Object] = json.loads(self.run("get", kind, *words, "-o", "json"))["items"]
        return found

    def directory(self) -> Path:
        """A directory of this namespace on the node, with a short name; goes with the cluster."""
        made = self.place / "host" / self.name[-8:]
        made.mkdir(parents=True, exist_ok=True)
        return made

    def start(self, pod: Mapping[str, Any]) -> Object:
        """Create a pod and wait until it is Ready."""
        self.apply(pod)
        return self.until_ready(pod["metadata"]["name"])

    def finish(self, pod: Mapping[str, Any]) -> str:
        """Create a pod that ends by itself, wait for it; its first container's log.

        Fails with the log if the pod does not succeed.
        """
        name = pod["metadata"]["name"]
        self.apply(pod)
        phase = eventually(lambda: self._ended(name))
        log = self.logs(name)
        assert phase == "Succeeded", f"{phase}: {log}\n{self.run('describe', 'pod', name)}"
        return log

    def _ended(self, name: str) -> str:
        phase: str = self.get("pod", name)["status"]["phase"]
        return phase if phase in ("Succeeded", "Failed") else ""

    def until_ready(self, name: str) -> Object:
        return self.until(name, lambda pod: condition(pod, "Ready") == "True")

    def until(self, name: str, holds: Callable[[Object], object], limit: float = LIMIT_S) -> Object:
        """The pod, as soon as `holds` is true of it."""

        def look() -> Object | None:
            pod = self.get("pod", name)
            return pod if holds(pod) else None

        return eventually(look, limit)

    def logs(self, name: str, *words: str) -> str:
        return self.run("logs", name, *words)

    def exec(self, name: str, *command: str, stdin: str = "") -> str:
        words = ["exec", *(["-i"] if stdin else []), name, "--"]
        return self(stdin, *words, *command)


def await_deleted() -> None:
    """Wait until every namespace that a test deleted is gone, and so its last pod."""
    columns = "custom-columns=NAME:.metadata.name,SINCE:.metadata.deletionTimestamp"

    def none_is_left() -> bool:
        rows = kubectl("get", "namespaces", "--no-headers", "-o", columns).splitlines()
        return all(row.endswith("<none>") for row in rows)

    try:
        eventually(none_is_left, limit=180)
    except AssertionError as e:
        raise AssertionError(kubectl("get", "namespaces,pods", "-A")) from e


def kubectl(*words: str, stdin: str = "", check: bool = True, limit: float = LIMIT_S) -> str:
    done = subprocess.run(
        ["kubectl", *words], input=stdin, capture_output=True, text=True, timeout=limit, check=False
    )
    if check and done.returncode:
        raise KubectlError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout if check else done.stdout + done.stderr


def eventually(look: Callable[[], T | None], limit: float = LIMIT_S) -> T:
    """Return the first true result of `look`; raise its last error when time is up."""
    end = time.monotonic() + limit
    while True:
        problem: Exception | None = None
        try:
            if found := look():
                return found
        except KubectlError as e:
            problem = e
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit:g} s") from problem
        time.sleep(0.2)


def condition(pod: Object, kind: str) -> str:
    """The status of a condition: "True", "False", or "" where there is none."""
    conditions = pod["status"].get("conditions", [])
    return next((c["status"] for c in conditions if c["type"] == kind), "")


def container(pod: Object, name: str = "main") -> Object:
    """The status of a container, also of an init or ephemeral one; {} where there is none."""
    status = pod["status"]
    kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    every = [c for kind in kinds for c in status.get(kind, [])]
    return next((c for c in every if c["name"] == name), {})


def member(name: str, script: str = STAY, **fields: Any) -> Object:
    """A container of a pod that runs a shell script."""
    command = ["/bin/sh", "-c", f"trap 'exit 0' TERM; {script}"]
    return {"name": name, "image": BUSYBOX, "command": command, **fields}


def pod(
    name: str,
    script: str | Sequence[str] = STAY,
    *,
    main: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Object:
    """A pod of one container `main` that runs a shell script; `main` and `spec` add fields."""
    command = {} if isinstance(script, str) else {"command": script}
    first = member("main", script if isinstance(script, str) else "", **command, **(main or {}))
    more = spec.pop("containers", [])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {
            "terminationGracePeriodSeconds": 2,
            "restartPolicy": "Never",
            "containers": [first, *more],
            **spec,
        },
    }


def volume(**source: Any) -> list[Mapping[str, Any]]:
    """The volumes of a pod that has one."""
    return [{"name": "v", **source}]


def kill(place: Place, program: str) -> None:
    """SIGKILL one of the cluster's programs; its supervisor starts it again."""

    def killed() -> str:
        pid = place.pid_file(program).read_text()
        with suppress(ProcessLookupError):  # it ended by itself, for want of another program
            os.kill(int(pid), signal.SIGKILL)
            return pid
        return ""

    before = eventually(killed)
    eventually(lambda: place.pid_file(program).read_text() != before)


@contextmanager
def own_namespace(place: Place, test: str) -> Iterator[Namespace]:
    """A Kubernetes namespace, deleted at the end; described before, if the test failed."""
    namespace = Namespace(place, test)
    namespace.create()
    try:
        yield namespace
        namespace.delete()
    except BaseException:
        namespace.describe()
        namespace.delete()
        raise
