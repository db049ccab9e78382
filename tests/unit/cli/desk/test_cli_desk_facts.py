"""What the page is told: errors in place of parts, and answers that are kept for a while."""

import json
from collections import Counter
from types import SimpleNamespace
from typing import Any

from cri_shim.cli.desk.facts import Facts
from cri_shim.errors import Unreachable
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control

INFO = {"daemon": {"pid": 7}, "problems": [], "inProgress": [], "host": {"kernel": "6.1"}}


class Fake:
    """A client whose calls are counted; it answers until `gone`."""

    def __init__(self) -> None:
        self.control = self.runtime = self
        self.calls: Counter[str] = Counter()
        self.gone = False

    def __getattr__(self, name: str) -> Any:
        if name == "WatchPulls":
            return self._watch
        answers: dict[str, Any] = {
            "Info": SimpleNamespace(json=json.dumps(INFO)),
            "Leaks": SimpleNamespace(json='{"leaks": [{"leaks": true}, {"leaks": false}]}'),
            "SlowestPods": SimpleNamespace(json='{"pods": []}'),
            "ListPodSandbox": api.ListPodSandboxResponse(),
            "ListContainers": api.ListContainersResponse(),
            "ListChangingPods": control.ListChangingPodsResponse(
                pods=[control.ChangingPod(id="1", namespace="a", name="b", state="Creating")]
            ),
            "ListSessions": control.ListSessionsResponse(),
        }

        async def call(request: object) -> Any:
            self._count(name)
            return answers[name]

        return call

    async def _watch(self, request: object) -> Any:
        self._count("WatchPulls")
        yield control.WatchPullsResponse(pulls=[control.Pull(name="busybox", done=5)])

    def _count(self, name: str) -> None:
        if self.gone:
            raise Unreachable("no daemon answers")
        self.calls[name] += 1


async def test_every_part_is_there_and_slow_ones_are_asked_once() -> None:
    client = Fake()
    facts = Facts(client)  # type: ignore[arg-type]

    first, second = await facts.now(), await facts.now()

    assert first["pods"] == [
        {
            "id": "1",
            "name": "a/b",
            "created": 0.0,
            "containers": [],
            "state": "Creating",
            "waits": "",
        }
    ]
    assert first["pulls"][0]["name"] == "busybox"
    assert first["leaks"] == [{"leaks": True}]
    assert second["node"]["daemon"] == {"pid": 7}
    assert (client.calls["ListPodSandbox"], client.calls["Info"], client.calls["Leaks"]) == (
        2,
        1,
        1,
    )


async def test_nothing_older_is_shown_after_the_end_of_the_daemon() -> None:
    client = Fake()
    facts = Facts(client)  # type: ignore[arg-type]
    await facts.now()
    client.gone = True

    found = await facts.now()

    del found["at"]
    assert set(map(str, found.values())) == {"{'error': 'no daemon answers'}"}
