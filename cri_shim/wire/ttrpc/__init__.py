"""ttrpc, gRPC's small sibling for processes of one node, without I/O: unary calls only.

The specification is PROTOCOL.md of github.com/containerd/ttrpc. A connection has a client's and a
server's end. Both take received bytes and return events; the frames to send are queued until the
caller takes them with `outgoing()`. Streams of data are refused: NRI, the only user, has none.

- `frames`: heads and kinds of frames, and the reader that cuts received bytes into frames
- `client`: the end that calls
- `server`: the end that answers
"""

from cri_shim.wire.ttrpc.client import Answer, Client
from cri_shim.wire.ttrpc.frames import MAX_DATA, BadFrame
from cri_shim.wire.ttrpc.server import Call, Server

__all__ = ["MAX_DATA", "Answer", "BadFrame", "Call", "Client", "Server"]
