"""Protocols without I/O: bytes in, events out.

spdy/             SPDY/3.1, under exec, attach and port-forward of today's clients
negotiation.py    which sub-protocol is spoken
remotecommand.py  exec and attach: the streams, the final status, resizes
websocket.py      frames of WebSocket, as a server reads and writes them
channels.py       the channels of WebSocket messages
forward.py        port-forward: which streams belong together
cri_log.py        the log of a container, line by line
"""
