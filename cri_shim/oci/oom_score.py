"""The OOM score of a command in a container: it is the container's, and never the daemon's.

runc sets it for an exec; crun leaves that of its own process, which is the daemon's: with the unit
file -999, and a command that leaks memory would have the kernel kill everything else first. So the
OCI runtime is started with the score that the command is to have.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from cri_shim.linux import process as processes

# A shell, for a score is a process's own and nothing can be done between vfork and exec here; it
# takes 1 ms. A score that the kernel refuses (below ours, without CAP_SYS_RESOURCE) stays ours.
_SCRIPT = '2>/dev/null echo "$0" >/proc/self/oom_score_adj; exec "$@"'


def scored(command: Sequence[str], process: Mapping[str, Any]) -> list[str]:
    """The command line that runs the OCI runtime's `command` with the score of `process`."""
    score = process.get("oomScoreAdj")
    if score is None or score == processes.own_oom_score_adj():
        return list(command)
    if not os.access(command[0], os.X_OK):  # whoever starts it says so better than a shell
        return list(command)
    return ["/bin/sh", "-c", _SCRIPT, str(score), *command]
