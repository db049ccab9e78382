"""What the page shows: the answers of the daemon, each bounded, or the reason why there is none."""

import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from cri_shim.errors import CriShimError
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

MOST = 500  # rows of a table: a page with more is not read
MOST_STARTS = 10
NODE_S = 6.0  # between two looks at the node
LEAKS_S = 30.0  # between two comparisons with the records: each takes the daemon a second

_POD = {api.SANDBOX_READY: "Ready", api.SANDBOX_NOTREADY: "NotReady"}
_CONTAINER = {
    api.CONTAINER_CREATED: "Created",
    api.CONTAINER_RUNNING: "Running",
    api.CONTAINER_EXITED: "Exited",
    api.CONTAINER_UNKNOWN: "Unknown",
}


class Facts:
    """Asks a daemon. One call of `now` runs at a time."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._kept: dict[str, tuple[float, Any]] = {}  # answers, each with the time of its end

    async def now(self) -> dict[str, Any]:
        """Return the parts by name. A part that fails is {"error": reason}; it never raises."""
        parts: dict[str, Callable[[], Awaitable[Any]]] = {
            "pods": self._pods,
            "node": lambda: self._renewed("node", NODE_S, self._node),
            "pulls": self._pulls,
            "sessions": self._sessions,
            "starts": lambda: self._renewed("starts", NODE_S, self._starts),
            "leaks": lambda: self._renewed("leaks", LEAKS_S, self._leaks),
        }
        found: dict[str, Any] = {"at": time.time()}
        for name, ask in parts.items():
            try:
                found[name] = await ask()
            except CriShimError as e:
                found[name] = {"error": str(e)}
                self._kept.clear()  # the daemon may have ended: nothing older is shown as its state
        return found

    async def _renewed(self, name: str, limit: float, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Return the last answer, or a new one after `limit` seconds."""
        until, known = self._kept.get(name, (0.0, None))
        if time.monotonic() >= until:
            known = await ask()
            self._kept[name] = time.monotonic() + limit, known
        return known

    async def _node(self) -> dict[str, Any]:
        answer = await self._client.control.Info(control.InfoRequest())
        info = json.loads(answer.json)
        host = info.get("host", {})
        return {
            "daemon": info.get("daemon", {}),
            "problems": info.get("problems", [])[:MOST],
            "inProgress": info.get("inProgress", [])[:MOST],
            "host": {key: value for key, value in host.items() if isinstance(value, str | int)},
        }

    async def _pods(self) -> list[dict[str, Any]]:
        runtime = self._client.runtime
        pods = (await runtime.ListPodSandbox(api.ListPodSandboxRequest())).items
        containers = (await runtime.ListContainers(api.ListContainersRequest())).containers
        changing = await self._client.control.ListChangingPods(control.ListChangingPodsRequest())
        inside: dict[str, list[dict[str, str]]] = {}
        for one in containers:
            shown = {"name": one.metadata.name, "state": _CONTAINER[one.state], "id": one.id}
            shown["image"] = one.image.user_specified_image or one.image.image
            inside.setdefault(one.pod_sandbox_id, []).append(shown)
        rows = [
            {
                "id": pod.id,
                "name": f"{pod.metadata.namespace}/{pod.metadata.name}",
                "state": _POD[pod.state],
                "created": pod.created_at / 1e9,
                "containers": inside.get(pod.id, [])[:MOST],
                "waits": "",
            }
            for pod in pods
        ]
        known = {row["id"]: row for row in rows}
        for change in changing.pods:
            row = known.get(change.id)
            if row is None:
                row = {"id": change.id, "name": f"{change.namespace}/{change.name}"}
                row |= {"created": change.created_at / 1e9, "containers": []}
                rows.append(row)
            row |= {"state": change.state, "waits": change.waits_for}
        return sorted(rows, key=lambda row: -float(str(row["created"])))[:MOST]

    async def _pulls(self) -> list[dict[str, Any]]:
        stream = self._client.control.WatchPulls(control.WatchPullsRequest())
        async with aclosing(
            cast("AsyncGenerator[control.WatchPullsResponse, None]", stream)
        ) as one:
            async for answer in one:
                return [_pull(pull) for pull in answer.pulls[:MOST]]
        return []

    async def _sessions(self) -> list[dict[str, Any]]:
        answer = await self._client.control.ListSessions(control.ListSessionsRequest())
        return [
            {
                "purpose": session.purpose,
                "name": session.name or session.container_id or session.pod_sandbox_id,
                "since": session.started_at / 1e9,
                "quiet": session.quiet_s,
                "by": f"{session.peer.program} (uid {session.peer.uid}, pid {session.peer.pid})"
                if session.peer.pid
                else "",
            }
            for session in answer.sessions[:MOST]
        ]

    async def _starts(self) -> list[dict[str, Any]]:
        """Return the pods whose start took longest."""
        asked = control.SlowestPodsRequest(most=MOST_STARTS)
        pods = json.loads((await self._client.control.SlowestPods(asked)).json)["pods"]
        return [
            {
                "name": pod["name"],
                "seconds": pod["startSeconds"],
                "stage": f"{pod['longestStage']} ({pod['longestSeconds']:.2f} s)",
                "begin": pod["begin"],
                "result": "failed" if pod["failed"] else "started",
            }
            for pod in pods[:MOST_STARTS]
        ]

    async def _leaks(self) -> list[dict[str, Any]]:
        answer = await self._client.control.Leaks(control.LeaksRequest())
        return [row for row in json.loads(answer.json)["leaks"] if row["leaks"]][:MOST]


def _pull(pull: control.Pull) -> dict[str, Any]:
    return {
        "name": pull.name,
        "host": pull.host,
        "done": pull.done,
        "total": pull.total,
        "rate": pull.rate,
        "askedBy": list(pull.asked_by),
        "trouble": pull.trouble,
    }
