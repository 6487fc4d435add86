"""The errors of the library: a stable code and a sentence.

Callers branch on :attr:`EffectError.code` (and on :attr:`PluginError.reason`
for what a registry refused); the text is for people.  A subclass exists only
where a caller reacts differently.
"""

from __future__ import annotations

from enum import StrEnum


class EffectErrorCode(StrEnum):
    """Every code that the library itself raises; hosts may add their own."""

    INVOCATION_SUBJECT = "runtime_effect_invocation_subject"
    INVOCATION_KIND = "runtime_effect_invocation_kind"
    REPLAY_REQUIRED = "runtime_effect_replay_required"
    MISSING_SCOPE_ID = "missing_effect_scope_id"
    WRONG_OUTCOME = "runtime_effect_wrong_outcome"
    EXECUTOR_CONSUMED = "runtime_effect_local_executor_consumed"
    EXECUTOR_UNAVAILABLE = "runtime_effect_local_executor_unavailable"
    EXECUTOR_MISMATCH = "runtime_effect_local_executor_mismatch"
    AWAIT_EVENT_KEY_MISMATCH = "runtime_effect_await_event_key_mismatch"
    AWAIT_EVENT_INVALID_ORDINAL = "runtime_effect_await_event_invalid_ordinal"
    AWAIT_EVENT_CANCELLED = "runtime_effect_await_event_cancelled"
    AWAIT_EVENT_TIMED_OUT = "runtime_effect_await_event_timed_out"
    SLEEP_CANCELLED = "runtime_effect_sleep_cancelled"
    CANCELLED = "runtime_effect_cancelled"
    PROCESS_TASK_JOIN = "runtime_effect_process_task_join"
    ATTACHMENT_MISSING_REFERENCE = "runtime_effect_attachment_missing_reference"
    ATTACHMENT_MEDIA_TYPE = "runtime_effect_attachment_media_type"
    ATTACHMENT_STORE = "runtime_effect_attachment_store"
    ATTACHMENT_RESOLUTION_FAILED = "attachment_resolution_failed"
    TOOL_RESULT_MISSING = "tool_result_missing"
    SCOPE_CLOSED = "effect_scope_closed"
    SCOPE_LEASE_HELD = "effect_scope_lease_held"
    SCOPE_LEASE_LOST = "effect_scope_lease_lost"
    REPLAY_MISMATCH = "effect_replay_mismatch"
    REPLAY_MISSING = "effect_replay_missing"
    OUTCOME_TOO_LARGE = "effect_outcome_too_large"
    PATH_SHARED = "effect_path_shared"
    STEP_FAILED = "durable_step_failed"
    PLUGIN = "plugin"
    RUNTIME_STORE = "runtime_store"
    PROCESS_FAILED = "process_failed"
    PROCESS_CANCELLED = "process_cancelled"
    INVALID_JSON = "invalid_json"
    INVALID_VALUE = "invalid_value"
    UNKNOWN_TAG = "unknown_tag"


class EffectError(Exception):
    """An operation at the effect boundary failed in a way that can be recorded.

    Args:
        code: a stable identifier, one of :class:`EffectErrorCode` or a host's own.
        message: what was expected, what came, where, and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code: str = str(code)
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class InvalidValueError(EffectError, ValueError):
    """A model object was built with a value that can only be a bug."""

    def __init__(self, message: str) -> None:
        super().__init__(EffectErrorCode.INVALID_VALUE, message)

    def __reduce__(self) -> tuple[type[InvalidValueError], tuple[str]]:
        return (type(self), (self.message,))


class WireError(EffectError, ValueError):
    """Bytes or JSON do not have the shape that the class on the wire has."""


class PluginReason(StrEnum):
    """Why a registry refused; carried by :class:`PluginError`."""

    UNKNOWN_PROCESS = "unknown_process"
    REGISTRATION_CONFLICT = "registration_conflict"
    INVALID_REGISTRATION = "invalid_registration"
    REPLAY_CONFLICT = "event_replay_conflict"
    REPLAY_REQUIRED = "event_replay_required"
    UNDECLARED_EVENT_TYPE = "undeclared_event_type"
    INVALID_PAYLOAD = "invalid_payload"
    INVALID_SELECTOR = "invalid_selector"
    INVALID_SIGNAL_NAME = "invalid_signal_name"
    INVALID_ORDINAL = "invalid_ordinal"
    PROCESS_TERMINAL = "process_terminal"
    UNKNOWN_GRANT = "unknown_grant"
    INVALID_LEASE = "invalid_lease"
    LEASE_HELD = "process_lease_held"
    LEASE_LOST = "process_lease_lost"
    UNKNOWN_DEFINITION = "unknown_definition"
    INVALID_ARGUMENTS = "invalid_arguments"


class PluginError(EffectError):
    """A process registry (or another plugged-in part) refused an operation.

    Args:
        reason: why, one of :class:`PluginReason` or a plugin's own.
        message: what was expected and what came.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(EffectErrorCode.PLUGIN, message)
        self.reason: str = str(reason)

    def __reduce__(self) -> tuple[type[PluginError], tuple[object, ...]]:
        return (type(self), (self.reason, self.message))


class LeaseHeldError(PluginError):
    """Another owner's lease of the process is alive: reason ``process_lease_held``.

    Args:
        message: who holds it.
        left_ms: for how long, unless it is renewed or given back.
    """

    def __init__(self, message: str, left_ms: int) -> None:
        super().__init__(PluginReason.LEASE_HELD, message)
        self.left_ms = left_ms

    def __reduce__(self) -> tuple[type[LeaseHeldError], tuple[str, int]]:
        return (type(self), (self.message, self.left_ms))


class ScopeLeaseHeldError(EffectError):
    """Another opening of the effect scope is alive: code ``effect_scope_lease_held``.

    Args:
        message: who holds it.
        left_ms: for how long, unless it is renewed or given back.
    """

    def __init__(self, message: str, left_ms: int) -> None:
        super().__init__(EffectErrorCode.SCOPE_LEASE_HELD, message)
        self.left_ms = left_ms

    def __reduce__(self) -> tuple[type[ScopeLeaseHeldError], tuple[str, int]]:
        return (type(self), (self.message, self.left_ms))


class StoreError(EffectError):
    """A store could not read or write."""

    def __init__(self, message: str) -> None:
        super().__init__(EffectErrorCode.RUNTIME_STORE, message)

    def __reduce__(self) -> tuple[type[StoreError], tuple[str]]:
        return (type(self), (self.message,))


class StepError(EffectError):
    """The function of a durable step raised.

    First run and replay raise this same error; on the first run the original
    exception is its ``__cause__``.

    Args:
        message: which step failed, and how.
        error_class: the class name of the original exception.
        error_message: the text of the original exception.
    """

    def __init__(self, message: str, error_class: str, error_message: str) -> None:
        super().__init__(EffectErrorCode.STEP_FAILED, message)
        self.error_class = error_class
        self.error_message = error_message

    def __reduce__(self) -> tuple[type[StepError], tuple[str, str, str]]:
        return (type(self), (self.message, self.error_class, self.error_message))


class WaitTimedOut(EffectError):
    """The event that a wait was for did not come before its timeout."""

    def __init__(self, message: str) -> None:
        super().__init__(EffectErrorCode.AWAIT_EVENT_TIMED_OUT, message)

    def __reduce__(self) -> tuple[type[WaitTimedOut], tuple[str]]:
        return (type(self), (self.message,))
