"""The one table of all metrics. docs/metrics.md is made from it.

Names follow the conventions of Prometheus: base units, `_total` for counters. A label has a fixed
set of values, or its number of values is bounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram", "summary"]

# Upper bounds in seconds.
CALL_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
WORK_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
LAG_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


@dataclass(frozen=True, slots=True)
class Metric:
    """`labels` are names; `bounds` are those of a histogram's buckets, in seconds.

    `most` limits the sets of label values of a histogram; the sets after them count as `other`.
    """

    name: str
    kind: Kind
    doc: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    most: int = 1


# The metrics by the part of the daemon that they describe.
PARTS: Mapping[str, tuple[Metric, ...]] = {
    "Calls": (
        Metric(
            "cri_shim_rpc_duration_seconds",
            "histogram",
            "Calls by RPC and gRPC code. A stream lasts as long as its caller follows it.",
            ("verb", "code"),
            CALL_BOUNDS,
            600,
        ),
        Metric("cri_shim_rpc_in_flight", "gauge", "Calls that run now, by RPC.", ("verb",)),
        Metric(
            "cri_shim_server_restarts_total",
            "counter",
            "Restarts of the gRPC server on the socket after it ended by itself.",
        ),
    ),
    "Operations": (
        Metric(
            "cri_shim_operation_duration_seconds",
            "histogram",
            "Operations by verb and outcome: `ok`, `failed` or `cancelled`. An operation may"
            " outlive the call that began it, and equal calls share one.",
            ("verb", "outcome"),
            WORK_BOUNDS,
            80,
        ),
        Metric(
            "cri_shim_stage_duration_seconds",
            "histogram",
            "Stages of operations, such as the stages of the start of a pod.",
            ("verb", "stage"),
            WORK_BOUNDS,
            120,
        ),
        Metric("cri_shim_operations", "gauge", "Operations that run now, by verb.", ("verb",)),
        Metric(
            "cri_shim_operations_queued",
            "gauge",
            "Operations that now wait in a queue: for the lock of an object, or for their turn.",
        ),
        Metric(
            "cri_shim_oldest_operation_seconds",
            "gauge",
            "Age of the operation that has run longest; 0 without operations.",
        ),
    ),
    "Programs": (
        Metric(
            "cri_shim_cni_duration_seconds",
            "histogram",
            "Runs of CNI plugins, by plugin, verb and outcome.",
            ("plugin", "verb", "outcome"),
            WORK_BOUNDS,
            96,
        ),
        Metric(
            "cri_shim_oci_duration_seconds",
            "histogram",
            "Runs of OCI runtimes, by handler, verb and outcome. Commands in containers are not"
            " among them: see the operation `ExecSync`.",
            ("runtime", "verb", "outcome"),
            WORK_BOUNDS,
            96,
        ),
    ),
    "Images": (
        Metric(
            "cri_shim_image_pull_duration_seconds",
            "summary",
            "Pulls by result. Equal requests at the same time are one pull.",
            ("result",),
        ),
        Metric("cri_shim_image_pull_bytes_total", "counter", "Bytes that came from registries."),
        Metric(
            "cri_shim_image_pull_layers_total",
            "counter",
            "Layers of pulls by source: `registry`, or `local` for those that needed no transfer.",
            ("source",),
        ),
        Metric("cri_shim_image_pulls_running", "gauge", "Pulls that run now."),
        Metric("cri_shim_images", "gauge", "Images on the node."),
    ),
    "Pods and containers": (
        Metric("cri_shim_pods", "gauge", "Pods by phase.", ("phase",)),
        Metric("cri_shim_containers", "gauge", "Containers by phase.", ("phase",)),
        Metric(
            "cri_shim_unfinished_intents",
            "gauge",
            "Pods and containers whose creation or removal was begun and not finished, and that no"
            " operation works on now. A number that stays is a leak.",
            ("kind", "phase"),
        ),
        Metric(
            "cri_shim_leaks",
            "gauge",
            "What `cri-shim leaks` lists, by class: unfinished work that has failed or that nothing"
            " works on, and leftovers that the last `check`, `leaks` or `desk` found on the node.",
            ("class",),
        ),
        Metric(
            "cri_shim_container_exits_total",
            "counter",
            "Containers that ended, by reason: `Completed`, `Error`, `OOMKilled` or `other`.",
            ("reason",),
        ),
        Metric(
            "cri_shim_oom_kills_total",
            "counter",
            "Containers that ended because the kernel killed them for lack of memory, by the level"
            " whose limit was reached: `container`, `pod`, `node`, or `unknown`.",
            ("level",),
        ),
        Metric(
            "cri_shim_monitors_lost_total",
            "counter",
            "Monitors (conmon) that ended before their container. A monitor is never started"
            " again.",
        ),
        Metric(
            "cri_shim_exits_queued",
            "gauge",
            "Exits of containers that were noticed and are not recorded yet.",
        ),
    ),
    "Events and sessions": (
        Metric("cri_shim_event_subscribers", "gauge", "Callers of GetContainerEvents."),
        Metric(
            "cri_shim_events_queued_bytes",
            "gauge",
            "Bytes of events that wait for the slowest caller of GetContainerEvents.",
        ),
        Metric(
            "cri_shim_event_subscribers_dropped_total",
            "counter",
            "Callers of GetContainerEvents that were too slow: they have missed events.",
        ),
        Metric(
            "cri_shim_streaming_sessions",
            "gauge",
            "Sessions of exec, attach and port-forward, with those asked for.",
            ("purpose",),
        ),
        Metric(
            "cri_shim_streaming_connections",
            "gauge",
            "Connections that port-forward has into pods.",
        ),
        Metric(
            "cri_shim_streaming_sessions_refused_total",
            "counter",
            "Sessions that were refused because a limit was reached.",
        ),
    ),
    "The daemon": (
        Metric("cri_shim_build_info", "gauge", "Always 1; the label is the version.", ("version",)),
        Metric(
            "cri_shim_ready",
            "gauge",
            "1 if the condition of the CRI holds, else 0: `runtime` or `network`.",
            ("condition",),
        ),
        Metric(
            "cri_shim_problems",
            "gauge",
            "Problems of the node, as `cri-shim info` lists them, by level: `note`, `warning`"
            " or `fails`.",
            ("level",),
        ),
        Metric("cri_shim_retries", "gauge", "Work that is retried in the background."),
        Metric(
            "cri_shim_records_unsaved",
            "gauge",
            "Records that differ from the disk because it could not be written.",
        ),
        Metric("cri_shim_background_tasks", "gauge", "Tasks in the background."),
        Metric(
            "cri_shim_trace_spans_total",
            "counter",
            "Spans of traces by result: `exported`, `failed` (not taken by the receiver), or"
            " `dropped` (the queue was full). None while tracing is off.",
            ("result",),
        ),
        Metric(
            "cri_shim_log_lines_dropped_total",
            "counter",
            "Lines of the log that were dropped because their reader was too slow.",
        ),
        Metric(
            "cri_shim_event_loop_lag_seconds",
            "histogram",
            "How late the event loop runs a timer, measured once a second.",
            (),
            LAG_BOUNDS,
        ),
        Metric(
            "cri_shim_scrapes_total",
            "counter",
            "HTTP connections to the metrics by result: `ok`, `refused` (no valid request),"
            " `dropped` (too many at once) or `timeout`.",
            ("result",),
        ),
        Metric("process_cpu_seconds_total", "counter", "CPU time of the daemon."),
        Metric("process_resident_memory_bytes", "gauge", "Resident memory of the daemon."),
        Metric("process_virtual_memory_bytes", "gauge", "Virtual memory of the daemon."),
        Metric("process_start_time_seconds", "gauge", "Start of the daemon, Unix time."),
        Metric("process_open_fds", "gauge", "Open file descriptors of the daemon."),
        Metric("process_max_fds", "gauge", "Limit of open file descriptors."),
    ),
}
METRICS: Mapping[str, Metric] = {m.name: m for part in PARTS.values() for m in part}

# The names of steps that are stages. Other steps have names of plugins, hooks, or programs.
STAGES = frozenset(
    {
        "command",
        "conmon",
        "decompress",
        "document",
        "files",
        "grace period",
        "image lookup",
        "kill",
        "layers",
        "log",
        "namespaces",
        "network",
        "pack",
        "plugins",
        "pause process",
        "preload",
        "queue",
        "registry",
        "root file system",
        "sources",
        "starts",
        "sync",
        "unmount",
        "volumes",
    }
)
