"""Commands to the process plane, and what comes of them.  Tagged by ``op``."""

from __future__ import annotations

from typing import ClassVar

import attrs

from ._await_output import ProcessAwaitOutput
from ._checks import instance_of, tuple_of
from ._event import ProcessEvent, ProcessEventAppendRequest
from ._json import json_hash
from ._process import (
    ProcessExecutionContext,
    ProcessListMode,
    ProcessRecord,
    ProcessRegistration,
)
from ._session import (
    ProcessHandleGrant,
    ProcessSessionDeleteReport,
    ProcessStartGrant,
    SessionScope,
)


class ProcessCommand:
    """Controls processes."""

    __slots__ = ()
    tag_name: ClassVar[str] = "op"
    tag: ClassVar[str]
    changes_state: ClassVar[bool] = True

    @property
    def effect_id(self) -> str:
        """A stable id for the effect of this command."""
        return f"process:{self.tag.replace('_', '-')}"


@attrs.frozen(kw_only=True)
class StartProcess(ProcessCommand):
    """Register a process, with a grant if there is one."""

    tag: ClassVar[str] = "start"
    registration: ProcessRegistration = attrs.field(validator=instance_of(ProcessRegistration))
    grant: ProcessStartGrant | None = None
    execution_context: ProcessExecutionContext | None = None

    @property
    def effect_id(self) -> str:
        """``process:start:<id>``."""
        return f"process:start:{self.registration.id}"


@attrs.frozen(kw_only=True)
class ListProcesses(ProcessCommand):
    """List what a session scope sees."""

    tag: ClassVar[str] = "list"
    changes_state: ClassVar[bool] = False
    session_scope: SessionScope
    mode: ProcessListMode = ProcessListMode.LIVE

    @property
    def effect_id(self) -> str:
        """``process:list:<scope>:<mode>``."""
        return f"process:list:{self.session_scope.id}:{self.mode}"


@attrs.frozen(kw_only=True)
class TransferProcesses(ProcessCommand):
    """Move grants from one session scope to another, all or none."""

    tag: ClassVar[str] = "transfer"
    from_scope: SessionScope
    to_scope: SessionScope
    process_ids: tuple[str, ...] = attrs.field(validator=tuple_of(str))

    @property
    def effect_id(self) -> str:
        """``process:transfer:<from>:<to>:<hash of the ids>``."""
        digest = json_hash(self.process_ids)
        return f"process:transfer:{self.from_scope.id}:{self.to_scope.id}:{digest}"


@attrs.frozen(kw_only=True)
class DeleteSession(ProcessCommand):
    """Revoke what a session sees."""

    tag: ClassVar[str] = "delete_session"
    session_id: str

    @property
    def effect_id(self) -> str:
        """``process:delete-session:<session>``."""
        return f"process:delete-session:{self.session_id}"


@attrs.frozen(kw_only=True)
class AwaitProcess(ProcessCommand):
    """Wait for the end of a process."""

    tag: ClassVar[str] = "await"
    changes_state: ClassVar[bool] = False
    process_id: str

    @property
    def effect_id(self) -> str:
        """``process:await:<id>``."""
        return f"process:await:{self.process_id}"


@attrs.frozen(kw_only=True)
class CancelProcess(ProcessCommand):
    """Ask a process to end."""

    tag: ClassVar[str] = "cancel"
    process_id: str
    reason: str | None = None

    @property
    def effect_id(self) -> str:
        """``process:cancel:<id>``."""
        return f"process:cancel:{self.process_id}"


@attrs.frozen(kw_only=True)
class SignalProcess(ProcessCommand):
    """Append a signal event to a process."""

    tag: ClassVar[str] = "signal"
    process_id: str
    signal_name: str
    signal_id: str
    request: ProcessEventAppendRequest = attrs.field(
        validator=instance_of(ProcessEventAppendRequest)
    )

    @property
    def effect_id(self) -> str:
        """``process:signal:<id>:signal.<name>:<signal id>``."""
        return f"process:signal:{self.process_id}:signal.{self.signal_name}:{self.signal_id}"


@attrs.frozen(kw_only=True)
class ProcessGrantEntry:
    """A grant and the process it makes visible."""

    grant: ProcessHandleGrant
    record: ProcessRecord


class ProcessEffectOutcome:
    """What a process command did."""

    __slots__ = ()
    tag_name: ClassVar[str] = "op"
    tag: ClassVar[str]


@attrs.frozen(kw_only=True)
class ProcessStarted(ProcessEffectOutcome):
    """The row, new or already there."""

    tag: ClassVar[str] = "start"
    record: ProcessRecord


@attrs.frozen(kw_only=True)
class ProcessesListed(ProcessEffectOutcome):
    """What the session scope sees."""

    tag: ClassVar[str] = "list"
    entries: tuple[ProcessGrantEntry, ...] = attrs.field(validator=tuple_of(ProcessGrantEntry))


@attrs.frozen(kw_only=True)
class ProcessesTransferred(ProcessEffectOutcome):
    """The grants have moved."""

    tag: ClassVar[str] = "transfer"


@attrs.frozen(kw_only=True)
class SessionDeleted(ProcessEffectOutcome):
    """The grants are revoked."""

    tag: ClassVar[str] = "delete_session"
    report: ProcessSessionDeleteReport


@attrs.frozen(kw_only=True)
class ProcessAwaited(ProcessEffectOutcome):
    """The process has ended."""

    tag: ClassVar[str] = "await"
    output: ProcessAwaitOutput


@attrs.frozen(kw_only=True)
class ProcessCancelRequested(ProcessEffectOutcome):
    """The process has been asked to end; this is its row."""

    tag: ClassVar[str] = "cancel"
    record: ProcessRecord


@attrs.frozen(kw_only=True)
class ProcessSignalled(ProcessEffectOutcome):
    """The signal is in the log."""

    tag: ClassVar[str] = "signal"
    event: ProcessEvent
