"""The rules of registering a process.  Pure."""

from __future__ import annotations

import attrs

from ._converter import from_json, to_json
from ._errors import PluginError, PluginReason, WireError
from ._event_type import CORE_EVENT_TYPES, ProcessEventType, ProcessTerminalState
from ._json import json_hash
from ._process import (
    ExternalInput,
    FunctionInput,
    ProcessRecord,
    ProcessRegistration,
    SessionOriginator,
    SessionTurnInput,
    ToolCallInput,
)
from ._schema import compile_schema

_CORE = {core.name: core for core in CORE_EVENT_TYPES}


@attrs.frozen(kw_only=True)
class PreparedRegistration:
    """A registration that is complete, valid and hashed."""

    registration: ProcessRegistration
    registration_hash: str

    def record(self, now_ms: int) -> ProcessRecord:
        """The new row, created at a time in milliseconds since the epoch."""
        asked = self.registration
        return ProcessRecord(
            id=asked.id,
            registration_hash=self.registration_hash,
            input=asked.input,
            event_types=asked.event_types,
            provenance=asked.provenance,
            env_ref=asked.env_ref,
            wake_target=asked.wake_target,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
        )


def prepare_registration(registration: ProcessRegistration) -> PreparedRegistration:
    """Copy, add the core event types, check, hash.

    Returns:
        A registration that shares no list or dict with the caller's, as it would be
        after a store has written and read it.

    Raises:
        PluginError: reason ``invalid_registration``.
    """
    try:
        copied = from_json(ProcessRegistration, to_json(registration))
    except WireError as error:
        raise _refusal(registration, f"it cannot be written as JSON: {error.message}") from error
    names = {event_type.name for event_type in copied.event_types}
    missing = [core for core in CORE_EVENT_TYPES if core.name not in names]
    complete = attrs.evolve(copied, event_types=(*copied.event_types, *missing))
    _check(complete)
    return PreparedRegistration(
        registration=complete, registration_hash=json_hash(to_json(complete))
    )


def check_same_registration(record: ProcessRecord, prepared: PreparedRegistration) -> None:
    """Refuse another registration under the id of a row.

    Raises:
        PluginError: reason ``registration_conflict``.
    """
    if record.registration_hash != prepared.registration_hash:
        raise PluginError(
            PluginReason.REGISTRATION_CONFLICT,
            f"process {record.id!r} is registered with hash {record.registration_hash[:12]}, this "
            f"registration has {prepared.registration_hash[:12]}; use another id, or the same "
            "registration",
        )


def _refusal(registration: ProcessRegistration, what: str) -> PluginError:
    return PluginError(
        PluginReason.INVALID_REGISTRATION,
        f"process {registration.id!r} cannot be registered: {what}",
    )


def _check(registration: ProcessRegistration) -> None:
    _check_ids(registration)
    _check_environment(registration)
    seen: set[str] = set()
    for event_type in registration.event_types:
        if event_type.name in seen:
            raise _refusal(registration, f"it declares event type {event_type.name!r} twice")
        seen.add(event_type.name)
        _check_event_type(registration, event_type)


def _check_ids(registration: ProcessRegistration) -> None:
    provenance = registration.provenance
    if not registration.id.strip():
        raise _refusal(registration, "its id is blank")
    if not provenance.host_profile_id.strip():
        raise _refusal(registration, "the host profile id of its provenance is blank")
    match provenance.originator:
        case SessionOriginator(scope=scope) if not scope.session_id.strip():
            raise _refusal(registration, "the session id of its originator is blank")
        case _:
            pass
    if registration.wake_target is not None and not registration.wake_target.session_id.strip():
        raise _refusal(registration, "the session id of its wake target is blank")


def _check_event_type(registration: ProcessRegistration, event_type: ProcessEventType) -> None:
    if not event_type.name.strip():
        raise _refusal(registration, "it declares an event type with a blank name")
    terminal = event_type.semantics.terminal
    if (
        terminal is not None
        and terminal.await_output is None
        and terminal.state is not ProcessTerminalState.COMPLETED
    ):
        raise _refusal(
            registration,
            f"its terminal event type {event_type.name!r} ends it as {terminal.state} "
            "and so must say where the await output is",
        )
    core = _CORE.get(event_type.name)
    if core is not None and (
        terminal != core.semantics.terminal or event_type.payload_schema != core.payload_schema
    ):
        # The runtime writes these events itself, and relies on what they mean.
        raise _refusal(
            registration,
            f"it declares the core event type {event_type.name!r} with another end or payload "
            "schema; only a wake may be added to a core type",
        )
    try:
        compile_schema(event_type.payload_schema)
    except (PluginError, WireError) as error:
        raise _refusal(
            registration, f"the payload schema of {event_type.name!r}: {error.message}"
        ) from error


def _check_environment(registration: ProcessRegistration) -> None:
    has = registration.env_ref is not None
    if registration.env_ref is not None and not registration.env_ref.strip():
        raise _refusal(registration, "its env_ref is blank; leave it out where there is none")
    match registration.input:
        case ToolCallInput() if not has:
            raise _refusal(registration, "an input of type tool_call needs an env_ref, got none")
        case SessionTurnInput() | ExternalInput() if has:
            raise _refusal(
                registration,
                f"an input of type {registration.input.tag} must not have an env_ref, "
                f"got {registration.env_ref!r}",
            )
        case FunctionInput(name=name) if not name.strip():
            raise _refusal(registration, "the name of its definition is blank")
        case _:
            return
