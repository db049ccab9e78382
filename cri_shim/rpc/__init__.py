"""The gRPC edge: the only storey that knows grpc.

A call comes in through `boundary` (call number, one log line, error to status), is checked once by
`validate` (the field path is named), and goes to a method of one of the service objects, which
hands it to a use case; those that watch stand in `observing`, and streams are sent in `chunks`.
What does not fit into one message is refused by `message_size`, which says how else to ask.
`client` is the other end of the same socket, for the command line and for tests. `codes` is the
one table between our kinds of error and gRPC's codes.

The `*_pb2_grpc` files are generated (hack/gen-proto); only `client` uses them.
"""
