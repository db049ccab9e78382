"""The OOM score of a command in a container: the container's score, and never the daemon's.

runc sets it for an exec. crun keeps the score of its own process, which is the daemon's: -999 with
the unit file. Then a command that leaks memory would make the kernel kill everything else first. So
the OCI runtime is started with the score of the command.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from cri_shim.linux import process as linux_process

# A shell sets it: a process can only set its own score here, and this code can do nothing between
# vfork and exec. It takes 1 ms. If the kernel refuses a score (below the daemon's, without
# CAP_SYS_RESOURCE), the daemon's stays.
_SCRIPT = '2>/dev/null echo "$0" >/proc/self/oom_score_adj; exec "$@"'


def scored(command: Sequence[str], process: Mapping[str, Any]) -> list[str]:
    """Return the command line that runs the OCI runtime's `command` with the score of `process`."""
    score = process.get("oomScoreAdj")
    if score is None or score == linux_process.own_oom_score_adj():
        return list(command)
    if not os.access(command[0], os.X_OK):  # the caller's error is better than a shell's
        return list(command)
    return ["/bin/sh", "-c", _SCRIPT, str(score), *command]
