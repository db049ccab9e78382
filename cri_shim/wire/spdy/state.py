"""The life of a stream: a table of what may happen in each state, and what comes of it.

What is not in the table may not happen: done by the peer it is answered, done by us it is an
error of ours. A stream that is CLOSED is forgotten; ids only rise, so an id that is not above the
last one and not known is a closed stream.

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
    """The state that `move` leads to; None: it may not happen in `state`."""
    return _TABLE[state].get(move)
