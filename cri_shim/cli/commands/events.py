"""Show what happens to pods and containers, as it happens.

It shows each event at once until Ctrl-C, with or without --watch. The daemon keeps no past events.
With --since, the events of the objects that are still there come first, from their times of
creation, start and end. On a narrow terminal, times and IDs are short.
"""

import argparse
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING

from cri_shim.cli import daemon, table
from cri_shim.cli.arguments import assignment, since
from cri_shim.cli.exit_codes import UsageError
from cri_shim.errors import Unreachable
from cri_shim.untrusted import one_line

if TYPE_CHECKING:
    from cri_shim.pb import api_pb2
    from cri_shim.rpc.client import Client

Event = Mapping[str, str | int]

_WIDE = 80  # columns of a terminal that has room for the date
_ID, _LEAST_NAME = 13, 8  # characters on a terminal
_FILTERS = ("type", "kind", "id", "name", "pod", "namespace")
EXAMPLES = """
cri-shim events --watch
cri-shim events --since 1h --filter namespace=default
cri-shim events -o json --filter type=stopped --filter kind=container
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=since,
        help="begin with events of objects that still exist, from a time, or an age such as 1h30m",
    )
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "-w", "--watch", action="store_true", help="show events until interrupted (the default)"
    )
    end.add_argument(
        "--no-follow", action="store_true", help="with --since: end after the past events"
    )
    parser.add_argument(
        "--filter", metavar="KEY=VALUE", action="append", default=[], type=assignment,
        help=f"only events with this value; keys: {', '.join(_FILTERS)}; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", metavar="FORMAT",
        help="table|json: a line for each event (table)",
    )  # fmt: skip


async def run(args: argparse.Namespace) -> int:
    if unknown := [key for key, _ in args.filter if key not in _FILTERS]:
        raise UsageError(f"there is no filter {unknown[0]}: use {', '.join(_FILTERS)}")
    if args.no_follow and args.since is None:
        raise UsageError("--no-follow needs --since: the daemon keeps no past events")
    async with daemon.client(args, patient=True) as client:
        if args.since is not None:
            for event in sorted(await _past(client), key=lambda event: event["time"]):
                if int(event["time"]) >= args.since:
                    _show(args, event)
            if args.no_follow:
                return 0
        async for event in _live(client):
            _show(args, event)
    raise Unreachable("the daemon has stopped; start this command again when it runs")


def _show(args: argparse.Namespace, event: Event) -> None:
    from cri_shim.cli.messages import moment

    if any(event[key] != value for key, value in args.filter):
        return
    shown = {**event, "time": moment(int(event["time"]))}
    if args.output == "json":
        print(json.dumps(shown), flush=True)
        return
    names = [event["namespace"], event["pod"]]
    names += [event["name"]] if event["kind"] == "container" else []
    object = "/".join(map(str, names))
    time, id, width = str(shown["time"]), str(event["id"]), table.terminal_width()
    if width is not None:  # every line fits
        time, id = f"{time[:19]}Z" if width >= _WIDE else time[11:19], id[:_ID]
        object = _cut(one_line(object), width - len(time) - len(id) - 20)
    line = (
        f"{time:<{len(time) if width else 30}} {event['kind']:<9} {event['type']:<7} {object} {id}"
    )
    print(one_line(line), flush=True)


def _cut(name: str, room: int) -> str:
    room = max(_LEAST_NAME, room)
    return name if len(name) <= room else f"{name[: room - 1]}~"


async def _live(client: "Client") -> AsyncIterator[Event]:
    from cri_shim.pb import api_pb2 as api

    async for event in client.runtime.GetContainerEvents(api.GetEventsRequest()):
        pod = event.pod_sandbox_status
        names = {one.id: one.metadata.name for one in event.containers_statuses}
        kind = "pod" if event.container_id == pod.id else "container"
        type = api.ContainerEventType.Name(event.container_event_type)
        name = pod.metadata.name if kind == "pod" else names.get(event.container_id, "")
        yield _event(
            event.created_at, type.split("_")[1].lower(), kind, event.container_id, name, pod
        )


async def _past(client: "Client") -> list[Event]:
    """Return the creations, starts and ends of the objects that are there."""
    from cri_shim.pb import api_pb2 as api

    found: list[Event] = []
    for pod in (await client.runtime.ListPodSandbox(api.ListPodSandboxRequest())).items:
        answer = await client.runtime.PodSandboxStatus(
            api.PodSandboxStatusRequest(pod_sandbox_id=pod.id)
        )
        status = answer.status
        found.append(
            _event(status.created_at, "created", "pod", pod.id, status.metadata.name, status)
        )
        for one in answer.containers_statuses:
            for time, type in _times(one):
                found.append(_event(time, type, "container", one.id, one.metadata.name, status))
    return found


def _times(one: "api_pb2.ContainerStatus") -> Iterable[tuple[int, str]]:
    times = ((one.created_at, "created"), (one.started_at, "started"), (one.finished_at, "stopped"))
    return [(time, type) for time, type in times if time]


def _event(
    time: int, type: str, kind: str, id: str, name: str, pod: "api_pb2.PodSandboxStatus"
) -> Event:
    return {
        "time": time,
        "type": type,
        "kind": kind,
        "id": id,
        "name": name,
        "pod": pod.metadata.name,
        "namespace": pod.metadata.namespace,
    }
