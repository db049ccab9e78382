"""Limits of the number of sessions: of one pod, of the node, and by file descriptors.

The RPC takes a slot for its session, so its caller gets the error if there is none. The slot is
free again when the session ends, or when its ticket expires.
"""

from collections import Counter

from cri_shim.errors import ResourceExhausted

MAX_CONNECTIONS = 2048  # forwarded connections of all sessions at once
SHARE = 2  # sessions may use 1/SHARE of the daemon's descriptors

# Descriptors of one session: its client's socket and the watch of it; a command's pipes or terminal
# and its process; a container's conmon. A forwarded connection takes one more.
COSTS = {"exec": 8, "attach": 4, "portforward": 2}


class Slots:
    """`descriptors` is the daemon's limit of open files."""

    def __init__(self, most: int, most_of_pod: int, descriptors: int) -> None:
        self._most = most
        self._most_of_pod = most_of_pod
        self._limit = descriptors
        self._free = descriptors // SHARE
        self._taken: Counter[str] = Counter()  # by pod
        self.taken: Counter[str] = Counter()  # by purpose
        self.connections = 0
        self.refused = 0  # sessions, since the start

    def limit(self, most: int, most_of_pod: int) -> None:
        """Change the limits. Sessions above a lower limit stay."""
        self._most, self._most_of_pod = most, most_of_pod

    def take(self, pod_id: str, purpose: str) -> "Slot":
        """Take a slot for a session of a pod; ResourceExhausted names the limit that is reached."""
        try:
            self._check(pod_id, COSTS[purpose])
        except ResourceExhausted:
            self.refused += 1
            raise
        self._free -= COSTS[purpose]
        self._taken[pod_id] += 1
        self.taken[purpose] += 1
        return Slot(self, pod_id, purpose)

    def _check(self, pod_id: str, cost: int) -> None:
        if (count := self._taken[pod_id]) >= self._most_of_pod:
            raise ResourceExhausted(
                f"pod {pod_id} has {count} streaming sessions already, which is the limit"
                " streaming.max_sessions_per_pod: end some of them, or raise it"
            )
        if (count := self._taken.total()) >= self._most:
            raise ResourceExhausted(
                f"there are {count} streaming sessions on this node already, which is the limit"
                " streaming.max_sessions: end some of them, or raise it"
            )
        if self._free < cost:
            raise ResourceExhausted(f"no descriptor is left for a session: {self._problem()}")

    def release(self, pod_id: str, purpose: str) -> None:
        """Give a slot back; called by `Slot.free`."""
        self._free += COSTS[purpose]
        self.taken[purpose] -= 1
        self._taken[pod_id] -= 1
        if not self._taken[pod_id]:
            del self._taken[pod_id]

    def connect(self) -> str:
        """Take a slot for a forwarded connection; return "", or the reason if there is none."""
        if self.connections >= MAX_CONNECTIONS:
            return f"all sessions together have {MAX_CONNECTIONS}, and no more are taken"
        if self._free < 1:
            return f"no descriptor is left for it: {self._problem()}"
        self.connections += 1
        self._free -= 1
        return ""

    def disconnect(self) -> None:
        """Give back the slot of a forwarded connection."""
        self.connections -= 1
        self._free += 1

    def _problem(self) -> str:
        return (
            f"all sessions may have {self._limit // SHARE}, the rest of {self._limit} is for pods;"
            " end some of them, or raise the daemon's limit of open files (LimitNOFILE=)"
        )


class Slot:
    """The slot of one session. `free` is idempotent."""

    def __init__(self, slots: Slots, pod_id: str, purpose: str) -> None:
        self._slots: Slots | None = slots
        self._pod_id = pod_id
        self._purpose = purpose

    def free(self) -> None:
        """Give the slot back: the session has ended, or will not begin."""
        if self._slots is not None:
            self._slots.release(self._pod_id, self._purpose)
            self._slots = None
