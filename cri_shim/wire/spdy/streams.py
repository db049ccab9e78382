"""The streams of a connection: which exist, which existed, and what each side may do."""

from cri_shim.errors import WrongState
from cri_shim.wire.spdy.frames import Reset
from cri_shim.wire.spdy.state import Move, State, after


class StreamTable:
    """`first` is the first id that this side uses: 1 for a client, 2 for a server."""

    def __init__(self, first: int) -> None:
        self._parity = first & 1
        self._next_ours = first
        self.last_theirs = 0
        self._states: dict[int, State] = {}

    def __contains__(self, stream: int) -> bool:
        return stream in self._states

    def __len__(self) -> int:
        return len(self._states)

    def ids(self) -> list[int]:
        return list(self._states)

    def begin_ours(self, state: State) -> int:
        stream, self._next_ours = self._next_ours, self._next_ours + 2
        self._states[stream] = state
        return stream

    def begin_theirs(self, stream: int, state: State) -> None:
        self._states[stream] = state

    def may_begin_theirs(self, stream: int) -> bool:
        """Whether the id has the peer's parity and is above the peer's last id."""
        return stream & 1 != self._parity and stream > self.last_theirs

    def was(self, stream: int) -> bool:
        """Whether the stream exists, or existed earlier."""
        if stream & 1 == self._parity:
            return stream < self._next_ours
        return stream <= self.last_theirs

    def may(self, stream: int, move: Move) -> bool:
        return after(self._states.get(stream, State.CLOSED), move) is not None

    def ours(self, stream: int, move: Move) -> None:
        """Make an own `move`; raises WrongState if it is illegal."""
        state = self._states.get(stream, State.CLOSED)
        new = after(state, move)
        if new is None:
            raise WrongState(f"stream {stream}: cannot {move.name.lower()}, it is {state.name}")
        if new is not state:
            self._enter(stream, new)

    def theirs(self, stream: int, move: Move) -> Reset | None:
        """Make the peer's `move` on an existing stream; return the reason if it is illegal."""
        state = self._states[stream]
        new = after(state, move)
        if new is None:
            ended = state in (State.REMOTE_DONE, State.OPENED_DONE)
            return Reset.STREAM_ALREADY_CLOSED if ended else Reset.PROTOCOL_ERROR
        if new is not state:
            self._enter(stream, new)
        return None

    def drop(self, stream: int) -> bool:
        """Remove the stream; False if it does not exist."""
        return self._states.pop(stream, None) is not None

    def clear(self) -> None:
        self._states.clear()

    def _enter(self, stream: int, state: State) -> None:
        if state is State.CLOSED:
            del self._states[stream]
        else:
            self._states[stream] = state
