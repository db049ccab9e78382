"""Keys that operators look for and that there are not, each with the reason and what there is."""

from collections.abc import Mapping

_WRITES = "conmon writes the logs of containers, not the daemon, and no version of it"
_INSTEAD = "max_log_size and containers.max_log_total limit the bytes"

ABSENT: Mapping[str, str] = {
    "containers.log_rate": f"{_WRITES} limits, drops or samples lines by their rate: {_INSTEAD}",
    "containers.log_policy": f"{_WRITES} can block, drop or sample output: {_INSTEAD}",
    "containers.max_log_files": (
        "the kubelet rotates and counts the files of a log: its containerLogMaxSize and"
        " containerLogMaxFiles; max_log_size limits one file in between"
    ),
    "containers.max_log_total_per_pod": (
        f"{_WRITES} knows the other containers of a pod: containers.max_log_total is for each one"
    ),
}


def reason(key: str) -> str:
    """Return why there is no such key, and what there is; "" for any other name."""
    return ABSENT.get(key, "")
