"""Where spans and metrics go, and the instruments that are measured with."""

from __future__ import annotations

import attrs
from opentelemetry import metrics, trace
from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider, UpDownCounter
from opentelemetry.trace import Tracer, TracerProvider

LIBRARY = "lash_trio"

# As the conventions for generative AI want them.
_SECONDS_OF_CALLS = [0.01 * 2**power for power in range(14)]
_TOKENS = [float(4**power) for power in range(14)]
# From a replayed effect to a wait of a week.
_SECONDS = [0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 21600.0, 86400.0, 604800.0]


@attrs.frozen(kw_only=True)
class Instruments:
    """The metrics of the library.  Their names and units are stable."""

    active_scopes: UpDownCounter
    scope_duration: Histogram
    active_effects: UpDownCounter
    effect_duration: Histogram
    active_waits: UpDownCounter
    wait_duration: Histogram
    lease_events: Counter
    recoveries: Counter
    events_appended: Counter
    processes_ended: Counter
    call_duration: Histogram
    token_usage: Histogram

    @staticmethod
    def of(meter: Meter) -> Instruments:
        """Make them with a meter."""

        def histogram(name: str, unit: str, text: str, bounds: list[float]) -> Histogram:
            return meter.create_histogram(
                name, unit, text, explicit_bucket_boundaries_advisory=bounds
            )

        return Instruments(
            active_scopes=meter.create_up_down_counter(
                "lash_trio.scope.active", "{scope}", "Effect scopes that are open."
            ),
            scope_duration=histogram(
                "lash_trio.scope.duration", "s", "How long effect scopes were open.", _SECONDS
            ),
            active_effects=meter.create_up_down_counter(
                "lash_trio.effect.active", "{effect}", "Effects that run."
            ),
            effect_duration=histogram(
                "lash_trio.effect.duration", "s", "How long effects took.", _SECONDS
            ),
            active_waits=meter.create_up_down_counter(
                "lash_trio.wait.active", "{wait}", "Tasks that wait for an event or an end."
            ),
            wait_duration=histogram(
                "lash_trio.wait.duration", "s", "How long tasks waited.", _SECONDS
            ),
            lease_events=meter.create_counter(
                "lash_trio.lease.events", "{event}", "What happened to leases of processes."
            ),
            recoveries=meter.create_counter(
                "lash_trio.lease.recoveries",
                "{recovery}",
                "Claims of processes that were claimed before.",
            ),
            events_appended=meter.create_counter(
                "lash_trio.event.appended", "{event}", "Events appended to logs of processes."
            ),
            processes_ended=meter.create_counter(
                "lash_trio.process.ended", "{process}", "Processes that ended."
            ),
            call_duration=histogram(
                "gen_ai.client.operation.duration",
                "s",
                "GenAI operation duration.",
                _SECONDS_OF_CALLS,
            ),
            token_usage=histogram(
                "gen_ai.client.token.usage",
                "{token}",
                "Number of input and output tokens used.",
                _TOKENS,
            ),
        )


@attrs.frozen(kw_only=True)
class Telemetry:
    """Where spans and metrics go, and what may be in them.

    Args:
        tracer: makes the spans.
        meter: makes the metrics.
        record_content: whether spans carry what models, tools and errors say: messages,
            arguments, results, texts of errors.  Of attachments they carry the media
            type, the length and the id, and never bytes.
    """

    tracer: Tracer
    meter: Meter
    record_content: bool = False
    instruments: Instruments = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        # Once: a second instrument of a name is a mistake to some meters.
        object.__setattr__(self, "instruments", Instruments.of(self.meter))

    @staticmethod
    def of(
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        record_content: bool = False,
    ) -> Telemetry:
        """Telemetry of providers.

        Args:
            tracer_provider: the one that OpenTelemetry has as the global one, where None.
            meter_provider: the same.
            record_content: as of the class.
        """
        return Telemetry(
            tracer=trace.get_tracer(LIBRARY, tracer_provider=tracer_provider),
            meter=metrics.get_meter(LIBRARY, meter_provider=meter_provider),
            record_content=record_content,
        )
