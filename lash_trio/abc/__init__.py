"""The ports: what a host, a controller, a registry or a store has to be.

Implement these to bring your own; ``lash_trio.testing`` holds checks for them.
Imports of this package: the model, and trio for the nursery that a host is given.
"""

from __future__ import annotations

from ._effects import (
    Clock as Clock,
    EffectController as EffectController,
    EffectHandle as EffectHandle,
    EffectHost as EffectHost,
    LocalExecution as LocalExecution,
    ProcessLocalExecution as ProcessLocalExecution,
    ScopedEffects as ScopedEffects,
)
from ._journal import (
    EffectJournal as EffectJournal,
    ScopeJournal as ScopeJournal,
)
from ._processes import (
    ClaimablePage as ClaimablePage,
    LeaseRenewer as LeaseRenewer,
    ProcessRegistry as ProcessRegistry,
    Tell as Tell,
)
from ._stores import (
    ArtifactStore as ArtifactStore,
    AttachmentStore as AttachmentStore,
)
from ._turns import (
    Provider as Provider,
    TurnDriver as TurnDriver,
    TurnEvents as TurnEvents,
    TurnMachine as TurnMachine,
)
