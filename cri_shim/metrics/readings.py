"""Reads, at each scrape, the counters and states that other parts have. All are in memory."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cri_shim import lifecycle
from cri_shim.aio.broadcast import Broadcast
from cri_shim.engine import Engine
from cri_shim.log import setting
from cri_shim.metrics.histogram import Histogram
from cri_shim.metrics.lag import Lag
from cri_shim.metrics.oom_level import LEVELS
from cri_shim.metrics.recorder import OTHER_REASON, REASONS, Recorder
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import unfinished as leaks
from cri_shim.problems.finding import Level
from cri_shim.problems.watch import Problems
from cri_shim.store.fetching.counters import RESULTS
from cri_shim.streaming.slots import COSTS, Slots
from cri_shim.version import __version__


@dataclass(frozen=True, slots=True)
class Summary:
    """A number of events, and the sum of their seconds."""

    count: int
    seconds: float


Value = float | Summary | Histogram
Readings = Mapping[str, Mapping[tuple[str, ...], Value]]  # metric -> label values -> value


@dataclass(frozen=True, slots=True)
class Sources:
    """What is read.

    `restarts` returns how often the gRPC server was made again, `spans` the spans by result.
    """

    engine: Engine
    problems: Problems
    events: Broadcast[api.ContainerEventResponse]
    sessions: Slots
    restarts: Callable[[], int]
    spans: Callable[[], Mapping[str, int]]


def read(sources: Sources, recorder: Recorder, lag: Lag) -> dict[str, dict[tuple[str, ...], Value]]:
    """Return the values of all metrics but those of the process and of the scrapes."""
    parts = (
        _of_recorder(recorder),
        _of_daemon(sources),
        _of_operations(sources.engine),
        _of_pulls(sources.engine),
        _of_objects(sources.engine),
        _of_streams(sources),
        {"cri_shim_event_loop_lag_seconds": dict(lag.histograms.items())},
    )
    found: dict[str, dict[tuple[str, ...], Value]] = {}
    for part in parts:
        for name, values in part.items():
            found[name] = dict(values) if isinstance(values, Mapping) else {(): values}
    return found


_Part = Mapping[str, Mapping[tuple[str, ...], Value] | float]


def _labelled(counts: Mapping[str, float], *always: str) -> dict[tuple[str, ...], Value]:
    """Return values by one label; those of `always` are there also with 0."""
    return {(label,): counts.get(label, 0) for label in dict.fromkeys([*always, *counts])}


def _of_recorder(recorder: Recorder) -> _Part:
    return {
        "cri_shim_rpc_duration_seconds": dict(recorder.calls.items()),
        "cri_shim_rpc_in_flight": _labelled(recorder.in_flight),
        "cri_shim_operation_duration_seconds": dict(recorder.operations.items()),
        "cri_shim_stage_duration_seconds": dict(recorder.stages.items()),
        "cri_shim_cni_duration_seconds": dict(recorder.programs["cni"].items()),
        "cri_shim_oci_duration_seconds": dict(recorder.programs["oci"].items()),
        "cri_shim_container_exits_total": _labelled(recorder.exits, *REASONS, OTHER_REASON),
        "cri_shim_oom_kills_total": _labelled(recorder.oom_kills, *LEVELS),
    }


def _of_daemon(sources: Sources) -> _Part:
    engine = sources.engine
    default = engine.oci.handlers.get(engine.oci.default_handler)
    works = default is not None and not default.problem
    ready = {"runtime": float(works), "network": float(engine.network.status().ready)}
    problems = Counter(str(problem.level) for problem in sources.problems.problems())
    return {
        "cri_shim_build_info": {(__version__,): 1},
        "cri_shim_ready": _labelled(ready),
        "cri_shim_problems": _labelled(problems, Level.NOTE, Level.WARNING, Level.FAILS),
        "cri_shim_server_restarts_total": sources.restarts(),
        "cri_shim_monitors_lost_total": engine.oci.exits.monitors_lost,
        "cri_shim_exits_queued": engine.oci.exits.waiting(),
        "cri_shim_retries": len(engine.work.retrier.pending()),
        "cri_shim_records_unsaved": len(engine.objects.unsaved()),
        "cri_shim_log_lines_dropped_total": setting.dropped(),
        "cri_shim_background_tasks": engine.work.in_background(),
        "cri_shim_trace_spans_total": _labelled(sources.spans()),
    }


def _of_operations(engine: Engine) -> _Part:
    verbs: Counter[str] = Counter()
    queued, oldest = 0, 0.0
    for operation in engine.work.operations:
        verbs[operation.verb] += 1
        queued += any(step.name == "queue" for step in operation.innermost())
        oldest = max(oldest, operation.age())
    return {
        "cri_shim_operations": _labelled(verbs),
        "cri_shim_operations_queued": queued,
        "cri_shim_oldest_operation_seconds": oldest,
    }


def _of_pulls(engine: Engine) -> _Part:
    pulls = engine.images.pulls
    counters = pulls.counters
    durations: dict[tuple[str, ...], Value] = {
        (result,): Summary(counters.pulls[result], counters.seconds[result]) for result in RESULTS
    }
    layers = {"registry": counters.layers_fetched, "local": counters.layers_here}
    return {
        "cri_shim_image_pull_duration_seconds": durations,
        "cri_shim_image_pull_bytes_total": counters.bytes,
        "cri_shim_image_pull_layers_total": _labelled(layers),
        "cri_shim_image_pulls_running": sum(1 for _ in pulls),
        "cri_shim_images": len(engine.images.catalog.images()),
    }


def _of_objects(engine: Engine) -> _Part:
    pods, containers = engine.objects.everything()
    busy = {operation.subject.id for operation in engine.work.operations}
    unfinished: Counter[tuple[str, ...]] = Counter(
        {(kind, phase): 0 for kind in ("pod", "container") for phase in ("creating", "removing")}
    )
    for kind, records in (("pod", pods), ("container", containers)):
        for record in records:
            if _is_intent(record) and record.id not in busy:
                unfinished[kind, lifecycle.name(record)] += 1
    return {
        "cri_shim_pods": _labelled(Counter(map(lifecycle.name, pods)), *_POD_PHASES),
        "cri_shim_containers": _labelled(
            Counter(map(lifecycle.name, containers)), *_CONTAINER_PHASES
        ),
        "cri_shim_unfinished_intents": dict(unfinished),
        "cri_shim_leaks": _labelled(leaks.counts(engine), *leaks.KINDS),
    }


def _is_intent(record: state.PodRecord | state.ContainerRecord) -> bool:
    """Whether a creation or a removal was begun, and is not finished."""
    if isinstance(record, state.PodRecord):
        return record.phase in (state.POD_CREATING, state.POD_REMOVING)
    return record.phase in (state.CONTAINER_CREATING, state.CONTAINER_REMOVING)


_POD_PHASES = ("creating", "ready", "notready", "removing")
_CONTAINER_PHASES = ("creating", "created", "starting", "running", "exited", "removing")


def _of_streams(sources: Sources) -> _Part:
    return {
        "cri_shim_event_subscribers": len(sources.events),
        "cri_shim_events_queued_bytes": sources.events.behind(),
        "cri_shim_event_subscribers_dropped_total": sources.events.dropped,
        "cri_shim_streaming_sessions": _labelled(sources.sessions.taken, *COSTS),
        "cri_shim_streaming_connections": sources.sessions.connections,
        "cri_shim_streaming_sessions_refused_total": sources.sessions.refused,
    }
