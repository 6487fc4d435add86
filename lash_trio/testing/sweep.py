"""The cancellation sweep: a scenario, cancelled once at each of its checkpoints."""

from __future__ import annotations

from ._sweep import (
    SweepReport as SweepReport,
    SweptRun as SweptRun,
    sweep_cancellation as sweep_cancellation,
)
