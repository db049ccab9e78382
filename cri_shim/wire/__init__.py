"""Protocols without I/O: bytes in, events out.

- `spdy`: SPDY/3.1, which today's clients use for exec, attach and port-forward
- `negotiation`: the choice of the sub-protocol
- `remotecommand`: exec and attach: the streams, the final status, terminal resizes
- `websocket`: WebSocket frames, as a server reads and writes them
- `channels`: the channels of WebSocket messages
- `forward`: port-forward: which streams belong to one connection
- `cri_log`: the log file of a container, line by line
- `ttrpc`: the calls of NRI, in both directions
- `nri_mux`: the two ttrpc connections of an NRI plugin over one socket
"""
