"""Builds the drivers from the configuration and hands each plain values; nobody passes Config on.

- `programs`  what must be installed, found on its path lists
- `node`      the machine: control groups, capabilities, huge pages
- `drivers`   each driver from its part of the configuration
- `probing`   the OCI runtimes, each tried
- `opening`   all of it in order, and the mark at the end of a start
- `advice`    what is careless in the set-up of the node
"""

from cri_shim.assembly import advice
from cri_shim.assembly.drivers import streaming
from cri_shim.assembly.opening import mark_alive, open_engine
from cri_shim.assembly.programs import Programs, find_programs

__all__ = ["Programs", "advice", "find_programs", "mark_alive", "open_engine", "streaming"]
