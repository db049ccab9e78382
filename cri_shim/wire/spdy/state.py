"""The state machine of a stream: a table of the legal moves in each state and their results.

A move that is not in the table is illegal: if the peer makes it, its stream is reset; if we make
it, it is a bug and raises WrongState. A CLOSED stream is removed. Ids only rise, so an unknown id
that is not above the last one is a closed stream.

             peer opens                      we open
                 |                              |
             OPENED --accept--> OPEN <--reply-- OPENING
                                 |  |
               we finish: LOCAL_DONE  REMOTE_DONE :the peer finishes
                                 |  |
                                CLOSED
"""

from enum import Enum, auto


class State(Enum):
    OPENED = auto()  # by the peer, not yet accepted; the peer may send already
    OPENED_DONE = auto()  # the same, and the peer has finished
    OPENING = auto()  # by us, no reply yet
    OPENING_DONE = auto()  # the same, and we have finished
    OPEN = auto()
    LOCAL_DONE = auto()
    REMOTE_DONE = auto()
    CLOSED = auto()


class Move(Enum):
    ACCEPT = auto()  # we send SYN_REPLY
    REPLIED = auto()  # the peer sends SYN_REPLY
    SEND = auto()
    SEND_FIN = auto()
    RECEIVE = auto()
    RECEIVE_FIN = auto()
    RESET = auto()  # either side


_S, _M = State, Move

_TABLE: dict[State, dict[Move, State]] = {
    _S.OPENED: {
        _M.ACCEPT: _S.OPEN,
        _M.RECEIVE: _S.OPENED,
        _M.RECEIVE_FIN: _S.OPENED_DONE,
        _M.RESET: _S.CLOSED,
    },
    _S.OPENED_DONE: {
        _M.ACCEPT: _S.REMOTE_DONE,
        _M.RESET: _S.CLOSED,
    },
    _S.OPENING: {
        _M.REPLIED: _S.OPEN,
        _M.SEND: _S.OPENING,
        _M.SEND_FIN: _S.OPENING_DONE,
        _M.RESET: _S.CLOSED,
    },
    _S.OPENING_DONE: {
        _M.REPLIED: _S.LOCAL_DONE,
        _M.RESET: _S.CLOSED,
    },
    _S.OPEN: {
        _M.SEND: _S.OPEN,
        _M.SEND_FIN: _S.LOCAL_DONE,
        _M.RECEIVE: _S.OPEN,
        _M.RECEIVE_FIN: _S.REMOTE_DONE,
        _M.RESET: _S.CLOSED,
    },
    _S.LOCAL_DONE: {
        _M.RECEIVE: _S.LOCAL_DONE,
        _M.RECEIVE_FIN: _S.CLOSED,
        _M.RESET: _S.CLOSED,
    },
    _S.REMOTE_DONE: {
        _M.SEND: _S.REMOTE_DONE,
        _M.SEND_FIN: _S.CLOSED,
        _M.RESET: _S.CLOSED,
    },
    _S.CLOSED: {},
}


def after(state: State, move: Move) -> State | None:
    """Return the state after `move`; None if `move` is illegal in `state`."""
    return _TABLE[state].get(move)
