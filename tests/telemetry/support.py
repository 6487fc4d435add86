"""What the tests of telemetry share: where spans and metrics end up, and how they read."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lash_trio.telemetry import Telemetry


@attrs.frozen
class Tree:
    """A span and those below it, in the order in which they began."""

    name: str
    below: tuple[Tree, ...] = ()


def tree(name: str, *below: Tree | str) -> Tree:
    """A tree as tests write it."""
    return Tree(name, tuple(Tree(b) if isinstance(b, str) else b for b in below))


class Begun(SpanProcessor):
    """Counts the spans that have begun and not ended."""

    def __init__(self) -> None:
        self.open: list[str] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.open.append(span.name)

    def on_end(self, span: ReadableSpan) -> None:
        self.open.remove(span.name)


class Recorder:
    """Telemetry into memory."""

    def __init__(self, *, record_content: bool = False) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.begun = Begun()
        provider.add_span_processor(self.begun)
        meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.telemetry = Telemetry.of(provider, meters, record_content=record_content)
        self.tracer = provider.get_tracer("tests")

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Those that have ended, in the order in which they ended."""
        return self._exporter.get_finished_spans()

    def began(self) -> list[ReadableSpan]:
        return sorted(self.spans, key=lambda span: span.start_time or 0)

    def clear(self) -> None:
        self._exporter.clear()

    def span(self, name: str) -> ReadableSpan:
        """The one of a name."""
        found = self.named(name)
        assert len(found) == 1, f"expected one span {name!r}, got {[s.name for s in self.spans]}"
        return found[0]

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of a name, in the order in which they began."""
        return [span for span in self.began() if span.name == name]

    def about(self, name: str) -> dict[str, object]:
        """The attributes of the one of a name."""
        return dict(self.span(name).attributes or {})

    def trees(self) -> list[Tree]:
        """All of them, each below its parent."""
        spans = self.began()
        known = {span.context.span_id for span in spans if span.context is not None}

        def below(parent: int | None) -> tuple[Tree, ...]:
            return tuple(
                Tree(span.name, below(span.context.span_id))
                for span in spans
                if span.context is not None and self._parent(span, known) == parent
            )

        return list(below(None))

    def events(self, name: str) -> list[tuple[str, dict[str, object]]]:
        """The events of the one span of a name."""
        return [(e.name, dict(e.attributes or {})) for e in self.span(name).events]

    def metric(self, name: str) -> dict[tuple[tuple[str, object], ...], float]:
        """Counts or sums of a metric by its attributes; empty where it was never measured."""
        points = self._points(name)
        return {
            labels: point.sum if isinstance(point, HistogramDataPoint) else point.value
            for labels, point in points.items()
        }

    def counts(self, name: str) -> dict[tuple[tuple[str, object], ...], int]:
        """How often a histogram was measured, by its attributes."""
        return {
            labels: point.count
            for labels, point in self._points(name).items()
            if isinstance(point, HistogramDataPoint)
        }

    def units(self) -> dict[str, str]:
        """The metrics that were measured, and their units."""
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: metric.unit or ""
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def _points(
        self, name: str
    ) -> dict[tuple[tuple[str, object], ...], HistogramDataPoint | NumberDataPoint]:
        data = self._reader.get_metrics_data()
        found: dict[tuple[tuple[str, object], ...], HistogramDataPoint | NumberDataPoint] = {}
        for resource in [] if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        for point in metric.data.data_points:
                            assert isinstance(point, HistogramDataPoint | NumberDataPoint)
                            found[labels(point.attributes or {})] = point
        return found

    @staticmethod
    def _parent(span: ReadableSpan, known: set[int]) -> int | None:
        if span.parent is None:
            return None
        assert span.parent.span_id in known, f"{span.name} is below a span that never ended"
        return span.parent.span_id


def labels(attributes: Mapping[str, object]) -> tuple[tuple[str, object], ...]:
    """Attributes without the library's prefix, in order."""
    return tuple(sorted((k.removeprefix("lash_trio."), v) for k, v in attributes.items()))
