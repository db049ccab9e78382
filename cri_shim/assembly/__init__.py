"""Builds the drivers from the configuration; each driver gets plain values, never the Config.

- `programs`: finds the required programs on their path lists
- `node`: the machine: control groups, capabilities, huge pages
- `node_defaults`: the configured defaults of containers
- `drivers`: makes each driver from its part of the configuration
- `probing`: tests the OCI runtimes
- `opening`: opens everything in order, and writes the mark at the end of a start
"""

from cri_shim.assembly.drivers import streaming
from cri_shim.assembly.opening import mark_alive, open_engine
from cri_shim.assembly.programs import Programs, find_programs

__all__ = ["Programs", "find_programs", "mark_alive", "open_engine", "streaming"]
