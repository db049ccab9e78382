"""Traces of calls for OpenTelemetry: off unless `tracing.endpoint` is set.

    traceparent of the kubelet -> span of the call -> span of the operation -> spans of its steps
                                                   -> a bounded queue -> a thread -> OTLP by gRPC

The libraries of OpenTelemetry are an optional extra, and nothing here is imported without an
endpoint. Spans are made on the event loop and sent by a thread of their own: a receiver that is
slow, or not there, delays no call, and its spans are dropped.

- `spans`: makes the spans: an observer of calls, operations and steps
- `queue`: the ended spans that wait, and the thread that sends them
- `exporter`: the connection to the receiver, and what it says of failures
- `tracing`: all of it together
"""
