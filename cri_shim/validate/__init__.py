"""What a request alone can tell is checked here, once, before a use case sees it.

A refusal is InvalidArgument and begins with the path of the field (`config.mounts[2].host_path`).
Presence, shape, range and combinations are checked. Whether a thing exists, or fits what exists, is
the use case's question. The gRPC edge and the library use the same checks; no grpc is imported.

- `requests`   the table: one check for every request of the socket's services
- `pod`, `container`, `resources`, `security`   the parts of the two configurations
- `fields`     what a single value must be: an identifier, a path, a range of numbers
"""
