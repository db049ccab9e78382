"""The id of the request that this task works for: in log lines, traces, and the call's metadata.

It is that of the call, of the work that the call has begun, and of what that has begun.
"""

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
