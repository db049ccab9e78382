"""How many sessions there may be: of one pod, in all, and by the descriptors they need.

A place is taken when a session is asked for, so the caller of the RPC is told why there is none. It
is free again when the session is over, or when nobody came for it.
"""

from collections import Counter

from cri_shim.errors import ResourceExhausted

MAX_CONNECTIONS = 2048  # forwarded at once, of all sessions
SHARE = 2  # sessions may have one in so many of the daemon's descriptors

# Descriptors of one session: its client and a watch of it; a command's pipes or terminal and its
# process; a container's conmon. A forwarded connection takes one more.
COSTS = {"exec": 8, "attach": 4, "portforward": 2}


class Places:
    """`descriptors` is how many the daemon may have open."""

    def __init__(self, most: int, most_of_pod: int, descriptors: int) -> None:
        self._most = most
        self._most_of_pod = most_of_pod
        self._limit = descriptors
        self._free = descriptors // SHARE
        self._taken: Counter[str] = Counter()  # by pod
        self._connections = 0

    def take(self, pod_id: str, purpose: str) -> "Place":
        """A place for a session of a pod; ResourceExhausted names the limit that is reached."""
        if (there := self._taken[pod_id]) >= self._most_of_pod:
            raise ResourceExhausted(
                f"pod {pod_id} has {there} streaming sessions already, which is the limit"
                " streaming.max_sessions_per_pod: end some of them, or raise it"
            )
        if (there := self._taken.total()) >= self._most:
            raise ResourceExhausted(
                f"there are {there} streaming sessions on this node already, which is the limit"
                " streaming.max_sessions: end some of them, or raise it"
            )
        cost = COSTS[purpose]
        if self._free < cost:
            raise ResourceExhausted(f"no descriptor is left for a session: {self._problem()}")
        self._free -= cost
        self._taken[pod_id] += 1
        return Place(self, pod_id, cost)

    def give_back(self, pod_id: str, cost: int) -> None:
        """For `Place.free`."""
        self._free += cost
        self._taken[pod_id] -= 1
        if not self._taken[pod_id]:
            del self._taken[pod_id]

    def connect(self) -> str:
        """Take a place for a forwarded connection; "" if there was one, else why there is none."""
        if self._connections >= MAX_CONNECTIONS:
            return f"all sessions together have {MAX_CONNECTIONS}, and no more are taken"
        if self._free < 1:
            return f"no descriptor is left for it: {self._problem()}"
        self._connections += 1
        self._free -= 1
        return ""

    def disconnect(self) -> None:
        """A forwarded connection is gone."""
        self._connections -= 1
        self._free += 1

    def _problem(self) -> str:
        return (
            f"all sessions may have {self._limit // SHARE}, the rest of {self._limit} is for pods;"
            " end some of them, or raise the daemon's limit of open files (LimitNOFILE=)"
        )


class Place:
    """One session's. `free` is idempotent."""

    def __init__(self, places: Places, pod_id: str, cost: int) -> None:
        self._places: Places | None = places
        self._pod_id = pod_id
        self._cost = cost

    def free(self) -> None:
        """The session is over, or will not be."""
        if self._places is not None:
            self._places.give_back(self._pod_id, self._cost)
            self._places = None
