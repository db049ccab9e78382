"""Builds the drivers from the configuration; each driver gets plain values, never the Config.

- `programs`: finds the required programs on their path lists
- `node`: the machine: control groups, capabilities, huge pages
- `node_defaults`: the configured defaults of containers
- `drivers`: makes each driver from its part of the configuration
- `settings`: makes what a reload replaces: defaults of containers, settings of pulls
- `limits`: refuses limits that the node cannot keep
- `edges`: makes the sockets and the audit record of a daemon
- `probing`: tests the OCI runtimes
- `metrics_endpoint`: the metrics, if they are on
- `tracing`: the traces, if they are on
- `opening`: opens everything in order, and writes the mark at the end of a start
- `reloading`: prepares the settings of a changed configuration, and replaces the running ones
"""

from cri_shim.assembly.drivers import streaming
from cri_shim.assembly.edges import audit, sockets
from cri_shim.assembly.metrics_endpoint import metrics
from cri_shim.assembly.opening import mark_alive, open_engine
from cri_shim.assembly.programs import Programs, find_programs
from cri_shim.assembly.reloading import Prepared, prepare
from cri_shim.assembly.tracing import traces

__all__ = [
    "Prepared",
    "Programs",
    "audit",
    "find_programs",
    "mark_alive",
    "metrics",
    "open_engine",
    "prepare",
    "sockets",
    "streaming",
    "traces",
]
