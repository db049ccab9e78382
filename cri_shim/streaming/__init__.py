"""The HTTP edge: exec, attach and port-forward streams.

    rpc: Exec, Attach, PortForward -> server.exec(...) -> a URL with a ticket   (tickets)
    HTTP: listener -> connection -> upgrade: what is it to become? -> a Session on a Link    (link)

- `server`        issues tickets, answers requests, ends all at shutdown
- `listener`      accepts clients and bounds their TLS handshakes
- `connection`    one client from then to its end; `head` is its request, by h11
- `sessions`      makes a session of what was asked for, with the `means` it is given
- `spdy_session`, `ws_session`   exec and attach: the client's streams or channels
- `remotecommand` what both are: a client on one side, a Talk (containers/interactive) on the other
- `spdy_forward`, `ws_forward`   port-forward: pairs of streams, a tunnel of them, old channels
- `forward`       one forwarded connection, whatever carries it
- `places`, `memory`, `patience`   bounds: how many sessions, bytes that wait, useless frames
- `hangup`        a client that leaves while it is not read
- `certificate`   TLS, with files that change

The protocols themselves do no I/O and live in wire/. Everything here runs in callbacks on the loop,
with one task a command or connect. Back-pressure: what is full pauses its source by TCP or by a
pipe, never by a queue; there is one exception, attach, since a container must not wait for whoever
looks at it (containers/interactive).
"""
