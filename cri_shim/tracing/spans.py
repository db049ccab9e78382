"""Makes the spans of calls, operations and steps.

The parent of a call's span is the client's, by W3C Trace Context. An operation belongs to the call
that began it; a later call that waits for it has a link to it. A step belongs to the step around
it, to its operation, or to its call. Only the sampler decides for a span without a parent; what is
not sampled has no spans below it.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cri_shim.activity import caller, observing
from cri_shim.activity.caller import Caller
from cri_shim.activity.operation import Operation
from cri_shim.activity.step import Step, current
from cri_shim.untrusted import one_line

P = ParamSpec("P")
_LONGEST = 512  # characters of an error

_log = logging.getLogger(__name__)


def _harmless(
    method: Callable[Concatenate["Spans", P], None],
) -> Callable[Concatenate["Spans", P], None]:
    """A failure of the tracing is logged once, and changes nothing for the caller."""

    @wraps(method)
    def guarded(self: "Spans", /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception:
            if not self.failed:
                _log.exception("a span could not be made; further failures are not logged")
            self.failed = True

    return guarded


class Spans:
    """An observer of activity. `always` makes spans also for calls without a trace of a client."""

    def __init__(self, tracer: Tracer, *, always: bool) -> None:
        self._tracer = tracer
        self._always = always
        self._propagator = TraceContextTextMapPropagator()
        self.failed = False

    @_harmless
    def call_began(self, call: Caller) -> None:
        if not call.traceparent and not self._always:
            return
        headers = {"traceparent": call.traceparent, "tracestate": call.tracestate}
        call.span = self._started(
            call.verb,
            self._propagator.extract(headers, context=Context()),
            SpanKind.SERVER,
            {"rpc.system": "grpc", "rpc.method": call.verb, "cri_shim.request_id": call.id},
        )

    @_harmless
    def call_ended(self, call: Caller, code: str) -> None:
        if not isinstance(span := call.span, Span):
            return
        if (found := call.object()) is not None:
            span.set_attribute("cri_shim.object", str(found))
        joined = None if call.operation is None else call.operation.span
        if isinstance(joined, Span) and not _is_child(joined, span):
            span.add_link(joined.get_span_context())
        span.set_attribute("rpc.response.status_code", code)
        if code not in ("OK", "CANCELLED"):
            span.set_status(Status(StatusCode.ERROR, code))
        span.end()

    @_harmless
    def operation_began(self, operation: Operation) -> None:
        around, call = current(), caller.current()
        of_nothing = call is None and (around is None or around.operation is None)
        if of_nothing and not self._always:
            return
        parent = _nearest(around)
        if parent is None and not of_nothing:
            return
        context = Context() if parent is None else set_span_in_context(parent, Context())
        attributes = {"cri_shim.object": str(operation.subject)}
        if operation.request_id:
            attributes["cri_shim.request_id"] = operation.request_id
        operation.span = self._started(operation.verb, context, SpanKind.INTERNAL, attributes)

    @_harmless
    def operation_ended(self, operation: Operation, error: BaseException | None) -> None:
        if not isinstance(span := operation.span, Span):
            return
        span.set_attribute("cri_shim.object", str(operation.subject))
        span.set_attribute("cri_shim.outcome", observing.outcome_of(error))
        if observing.outcome_of(error) == observing.FAILED:
            span.set_status(Status(StatusCode.ERROR, one_line(str(error), _LONGEST)))
        span.end()

    @_harmless
    def step_began(self, step: Step) -> None:
        if (parent := _nearest(step)) is None:
            return
        links: tuple[Link, ...] = ()
        if step.on is not None and isinstance(step.on.span, Span):
            links = (Link(step.on.span.get_span_context()),)
        step.span = self._started(
            step.name, set_span_in_context(parent, Context()), SpanKind.INTERNAL, {}, links
        )

    @_harmless
    def step_ended(self, step: Step, outcome: str) -> None:
        if not isinstance(span := step.span, Span):
            return
        span.set_attribute("cri_shim.outcome", outcome)
        if outcome == observing.FAILED:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def _started(
        self,
        name: str,
        context: Context,
        kind: SpanKind,
        attributes: dict[str, str],
        links: tuple[Link, ...] = (),
    ) -> Span | None:
        span = self._tracer.start_span(
            one_line(name, _LONGEST), context, kind, attributes, links, record_exception=False
        )
        return span if span.is_recording() else None


def _nearest(step: Step | None) -> Span | None:
    """Return the span around: of a step, of its operation, else of the call of this task."""
    operation = None if step is None else step.operation
    while step is not None and step.operation is operation:
        if isinstance(step.span, Span):
            return step.span
        step = step.outer
    if operation is not None:
        return operation.span if isinstance(operation.span, Span) else None
    call = caller.current()
    return call.span if call is not None and isinstance(call.span, Span) else None


def _is_child(span: Span, of: Span) -> bool:
    parent = getattr(span, "parent", None)
    return parent is not None and parent.span_id == of.get_span_context().span_id
