"""The rules of registering a process.  Pure."""

from __future__ import annotations

import attrs

from ._converter import to_json
from ._errors import PluginError, PluginReason, WireError
from ._event_type import CORE_EVENT_TYPES, ProcessTerminalState
from ._json import json_hash
from ._process import (
    ExternalInput,
    FunctionInput,
    ProcessRecord,
    ProcessRegistration,
    SessionTurnInput,
    ToolCallInput,
)
from ._schema import compile_schema


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
    """Add the core event types, check, hash.

    Raises:
        PluginError: reason ``invalid_registration``.
    """
    names = {event_type.name for event_type in registration.event_types}
    complete = attrs.evolve(
        registration,
        event_types=(
            *registration.event_types,
            *(core for core in CORE_EVENT_TYPES if core.name not in names),
        ),
    )
    _check(complete)
    try:
        digest = json_hash(to_json(complete))
    except WireError as error:
        raise _refusal(complete, f"its input must be plain JSON: {error.message}") from error
    return PreparedRegistration(registration=complete, registration_hash=digest)


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
    if not registration.id.strip():
        raise _refusal(registration, "its id is blank")
    if not registration.provenance.host_profile_id.strip():
        raise _refusal(registration, "the host profile id of its provenance is blank")
    _check_environment(registration)
    seen: set[str] = set()
    for event_type in registration.event_types:
        if not event_type.name.strip():
            raise _refusal(registration, "it declares an event type with a blank name")
        if event_type.name in seen:
            raise _refusal(registration, f"it declares event type {event_type.name!r} twice")
        seen.add(event_type.name)
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
        try:
            compile_schema(event_type.payload_schema)
        except (PluginError, WireError) as error:
            raise _refusal(
                registration, f"the payload schema of {event_type.name!r}: {error.message}"
            ) from error


def _check_environment(registration: ProcessRegistration) -> None:
    has = registration.env_ref is not None
    match registration.input:
        case ToolCallInput() if not has:
            raise _refusal(registration, "a tool_call input needs an env_ref, got none")
        case SessionTurnInput() | ExternalInput() if has:
            raise _refusal(
                registration,
                f"a {registration.input.tag} input must not have an env_ref, "
                f"got {registration.env_ref!r}",
            )
        case FunctionInput(name=name) if not name.strip():
            raise _refusal(registration, "the name of its definition is blank")
        case _:
            return
