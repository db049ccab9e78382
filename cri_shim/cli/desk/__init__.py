"""A page in the browser that shows the node: pods, pulls, findings, leaks. It is read-only.

It is served on the loopback by a command, not by the daemon: `cri-shim desk` asks the daemon as
other commands do, with the rights of the user who runs it. Who may read the page:

- only programs on this node can connect;
- the URL has a token, which is new for each run. Without it every path is 404;
- the request must name a host of the loopback: a page of the network whose name is made to resolve
  to this address (DNS rebinding) is refused, also with a token;
- only GET is answered. The page loads nothing from elsewhere, and no other page may frame it.

Names of pods and images are text of others: the page sets them as text, never as HTML.

- `guard`: which requests are answered; pure
- `server`: HTTP/1.1 on the loopback, and the stream of server-sent events
- `facts`: what the page shows, from the daemon
- `page.html`, `page.css`, `page.js`: the page
"""
