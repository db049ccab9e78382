"""The HTTP edge: exec, attach and port-forward streams.

    rpc: Exec, Attach, PortForward -> server.exec(...) -> a URL with a ticket
    HTTP: listener -> connection -> upgrade -> a Session on a Link

- `server`: issues tickets, answers HTTP requests, ends all sessions at shutdown
- `tickets`: keeps the request of an RPC until a client connects for it
- `listener`: accepts clients and bounds their TLS handshakes
- `connection`: one client from accept to end
- `head`: the client's HTTP request, read by h11
- `upgrade`: decides which protocol a request is upgraded to
- `link`: the interfaces between a connection (Link) and its session (Session)
- `sessions`: makes the session of a request
- `register`: the running sessions as objects: listed, ended, noted in the audit record
- `resources`: the shared resources that a session gets
- `spdy_session`, `ws_session`: exec and attach over SPDY streams or WebSocket channels
- `remotecommand`: the part that both share; connects a client with an InteractiveSession
- `spdy_forward`, `ws_forward`: port-forward over SPDY, a SPDY tunnel, or old WebSocket channels
- `forward`: one forwarded connection, for every transport
- `websocket`: WebSocket messages over a Link
- `slots`, `memory`, `flood`: limits of sessions, of buffered bytes, and of frames without data
- `hangup`: notices a client that disconnects while it is not read
- `certificate`: the TLS certificate, loaded again when its files change

The protocols themselves do no I/O and are in wire/. The code here runs in callbacks on the loop,
with one task for each command or connect. Back-pressure: a full buffer pauses its source through
TCP or a pipe, never through a queue. Attach is the exception, because a container must not wait
for a client that watches it (containers/interactive).
"""
