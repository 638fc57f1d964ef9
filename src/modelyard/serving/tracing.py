"""OpenTelemetry spans of predictions. A leaf: loaded only where somebody asked for spans."""

from __future__ import annotations

from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from modelyard import __version__

_NAME: Final = "modelyard.serving"


class Tracing:
    """Where spans go: to the collector that the `OTEL_*` variables name, in batches, from a thread of its own."""

    def __init__(self) -> None:
        resource = Resource.create({SERVICE_VERSION: __version__})
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):  # nobody named it
            resource = resource.merge(Resource({SERVICE_NAME: "modelyard"}))
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(_NAME, __version__)
        self._propagator = TraceContextTextMapPropagator()

    def record(
        self,
        *,
        model: str,
        version: str,
        protocol: str,
        status: int,
        rows: int,
        began_ns: int,
        ended_ns: int,
        request_id: str,
        parent: str = "",
    ) -> None:
        """One answered request.

        Args:
            model: its name.
            version: that answered.
            protocol: in which it was asked.
            status: of HTTP.
            rows: predictions in the answer.
            began_ns: nanoseconds since the epoch.
            ended_ns: likewise.
            request_id: of the request.
            parent: the header `traceparent`; empty if the client sent none.
        """
        context = self._propagator.extract({"traceparent": parent}) if parent else None
        span = self._tracer.start_span(
            f"predict {model}",
            context=context,
            kind=SpanKind.SERVER,
            start_time=began_ns,
            attributes={
                "modelyard.model": model,
                "modelyard.version": version,
                "modelyard.protocol": protocol,
                "modelyard.rows": rows,
                "modelyard.request_id": request_id,
                "http.request.method": "POST",
                "http.response.status_code": status,
            },
        )
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended_ns)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
