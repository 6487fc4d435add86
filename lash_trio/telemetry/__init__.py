"""OpenTelemetry for the ports: spans and metrics of scopes, effects, waits, leases, model calls.

Needs ``opentelemetry-api``: ``pip install 'lash-trio[telemetry]'``.  Nothing is patched
and nothing is global: each class wraps one port, and what is not wrapped costs nothing.
"""

from __future__ import annotations

from ._forwarding import ForwardingProcessRegistry as ForwardingProcessRegistry
from ._host import TracedEffectHost as TracedEffectHost
from ._provider import TracedProvider as TracedProvider
from ._registry import TracedProcessRegistry as TracedProcessRegistry
from ._telemetry import Instruments as Instruments, Telemetry as Telemetry
