"""The one HTTP request of a connection: read by h11, then refused or upgraded."""

import h11

from cri_shim.streaming.upgrade import Agreed, Refusal
from cri_shim.untrusted import printable

LIMIT = 32 << 10  # bytes of a request's head
_PROBLEM = 200  # characters of the problem with a request


class Head:
    """A request that arrives in parts. After `switch`, `trailing` has the bytes behind it."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LIMIT)

    def receive(self, data: bytes) -> h11.Request | Refusal | None:
        """Take bytes; return the request when it is complete, or a refusal if it is malformed."""
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            return _wrong(error)
        if event is h11.NEED_DATA:
            return None
        return event if isinstance(event, h11.Request) else Refusal(400, "no request")

    def switch(self, agreed: Agreed) -> bytes | Refusal:
        """Return the 101 answer to an agreed upgrade."""
        try:
            event = self._http.next_event()
            while event is not h11.PAUSED:
                if not isinstance(event, h11.EndOfMessage):
                    return Refusal(400, "an upgrade has no body")
                event = self._http.next_event()
            switch = h11.InformationalResponse(
                status_code=101, reason=b"Switching Protocols", headers=list(agreed.headers)
            )
            return self._http.send(switch) or b""
        except h11.ProtocolError as error:
            return _wrong(error)

    @property
    def trailing(self) -> bytes:
        return self._http.trailing_data[0]


def _wrong(error: h11.ProtocolError) -> Refusal:
    """Make a refusal. The text of h11 may repeat all bytes of the client, so it is cut."""
    return Refusal(error.error_status_hint, printable(error, _PROBLEM))


def refusal(refused: Refusal) -> bytes:
    """Return the complete answer: a status, a text, and `Connection: close`."""
    body = (refused.text + "\n").encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        *refused.headers,
    ]
    # A new state machine: after an error the first one refuses to continue.
    http = h11.Connection(h11.SERVER)
    status = h11.Response(status_code=refused.status, headers=headers)
    parts = (http.send(event) for event in (status, h11.Data(data=body), h11.EndOfMessage()))
    return b"".join(part for part in parts if part)
