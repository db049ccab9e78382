"""Checks a request by itself, once, before a use case gets it.

A refusal is InvalidArgument and begins with the path of the field (`config.mounts[2].host_path`).
The checks cover presence, shape, range and combinations. A use case checks whether an object exists
and whether the request fits it. The gRPC edge and the library use the same checks; this package
does not import grpc.

- `requests`: the table: one check for every request of the socket's services
- `pod`, `container`, `resources`, `security`: the parts of the two configurations
- `fields`: checks of single values: an identifier, a path, a range of numbers
"""
