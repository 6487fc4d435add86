"""Process definitions: async functions under a name."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeAlias, TypeVar, cast

import attrs

from ..model import (
    FunctionInput,
    JsonObject,
    JsonValue,
    PluginError,
    PluginReason,
    ProcessEventType,
    ProcessProvenance,
    ProcessRegistration,
    RerunDisposition,
    SessionScope,
    WireError,
    copy_json,
    signal_event_type,
)

if TYPE_CHECKING:
    from ._context import ProcessContext

P = ParamSpec("P")
ValueT = TypeVar("ValueT", bound="JsonValue | Mapping[str, object]")

ProcessFunction: TypeAlias = "Callable[Concatenate[ProcessContext, ...], Awaitable[object]]"


@attrs.frozen(kw_only=True)
class ProcessDefinition:
    """A registered async function.

    Args:
        name: what a row calls it.
        function: takes the context, then the JSON arguments by name.
        event_types: what its processes may have in their logs: signals and own events.
        rerun: whether another owner may run a process of it again.
    """

    name: str
    function: ProcessFunction
    event_types: tuple[ProcessEventType, ...] = ()
    rerun: RerunDisposition = RerunDisposition.RERUNNABLE

    def check_arguments(self, args: Mapping[str, JsonValue]) -> None:
        """Refuse arguments that the function does not take.

        Raises:
            PluginError: reason ``invalid_arguments``.
        """
        signature = inspect.signature(self.function)
        try:
            signature.bind(None, **args)
        except TypeError as error:
            expected = ", ".join(list(signature.parameters)[1:]) or "none"
            raise PluginError(
                PluginReason.INVALID_ARGUMENTS,
                f"process {self.name!r} takes the arguments {expected}; "
                f"got {', '.join(args) or 'none'} ({error})",
            ) from error


@attrs.frozen(kw_only=True)
class StartRequest:
    """How a process is started, beside what it runs.

    Args:
        id: of the process; not blank.
        provenance: where it comes from.
        wake_target: the session that its wake events wake.
        env_ref: the captured execution environment, if there is one.
    """

    id: str
    provenance: ProcessProvenance
    wake_target: SessionScope | None = None
    env_ref: str | None = None


class ProcessDefinitions:
    """The definitions that a worker knows, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, ProcessDefinition] = {}

    def __iter__(self) -> Iterator[ProcessDefinition]:
        return iter(self._by_name.values())

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def process(
        self,
        name: str,
        *,
        signals: Mapping[str, JsonObject] | Iterable[str] = (),
        events: Iterable[ProcessEventType] = (),
        rerun: RerunDisposition | str = RerunDisposition.RERUNNABLE,
    ) -> Callable[
        [Callable[Concatenate[ProcessContext, P], Awaitable[ValueT]]],
        Callable[Concatenate[ProcessContext, P], Awaitable[ValueT]],
    ]:
        """Register the decorated async function.

        Args:
            name: what rows call it; keep it when the code changes.
            signals: the names of its signals, or a mapping to the JSON Schemas of
                their payloads.
            events: further event types, for :meth:`ProcessContext.emit`.
            rerun: ``rerunnable``, ``owner_bound`` or ``external``.

        Returns:
            A decorator that returns the function as it is.

        Raises:
            PluginError: reason ``invalid_signal_name``, and from the decorator
                ``invalid_registration`` (a blank name, one that is taken, or a
                function that is not async).
            TypeError: ``signals`` is a single string.
            ValueError: ``rerun`` is none of the three.
        """
        event_types = (*_signal_types(name, signals), *events)
        disposition = RerunDisposition(rerun)

        def register(
            function: Callable[Concatenate[ProcessContext, P], Awaitable[ValueT]],
        ) -> Callable[Concatenate[ProcessContext, P], Awaitable[ValueT]]:
            if not name.strip() or name in self._by_name:
                raise PluginError(
                    PluginReason.INVALID_REGISTRATION,
                    f"a definition needs a name of its own that is not blank, got {name!r}",
                )
            if not inspect.iscoroutinefunction(function):
                raise PluginError(
                    PluginReason.INVALID_REGISTRATION,
                    f"process {name!r} must be an async function, got {function!r}",
                )
            self._by_name[name] = ProcessDefinition(
                name=name, function=function, event_types=event_types, rerun=disposition
            )
            return function

        return register

    def get(self, definition: str | ProcessFunction) -> ProcessDefinition:
        """A definition by its name, or by the function itself.

        Raises:
            PluginError: reason ``unknown_definition``.
        """
        if isinstance(definition, str):
            named = self._by_name.get(definition)
            if named is not None:
                return named
        else:
            for known in self._by_name.values():
                if known.function is definition:
                    return known
        raise PluginError(
            PluginReason.UNKNOWN_DEFINITION,
            f"there is no process definition {definition!r}; "
            f"known are {', '.join(self._by_name) or 'none'}",
        )

    def registration(
        self, definition: str | ProcessFunction, args: Mapping[str, JsonValue], start: StartRequest
    ) -> ProcessRegistration:
        """What to register for a process of a definition.

        Raises:
            PluginError: reasons ``unknown_definition`` and ``invalid_arguments``.
        """
        known = self.get(definition)
        try:
            arguments = copy_json(dict(args))
        except WireError as error:
            raise PluginError(
                PluginReason.INVALID_ARGUMENTS,
                f"the arguments of process {known.name!r} must be plain JSON: {error.message}",
            ) from error
        known.check_arguments(args)
        return ProcessRegistration(
            id=start.id,
            input=FunctionInput(
                name=known.name,
                args=arguments if isinstance(arguments, dict) else {},
                rerun=known.rerun,
            ),
            event_types=known.event_types,
            provenance=start.provenance,
            env_ref=start.env_ref,
            wake_target=start.wake_target,
        )


def _signal_types(
    definition_name: str, signals: Mapping[str, JsonObject] | Iterable[str]
) -> Iterator[ProcessEventType]:
    if isinstance(signals, str):
        raise TypeError(
            f"process {definition_name!r}: signals takes a list of names or a mapping to schemas, "
            f"got the string {signals!r}; did you mean [{signals!r}]?"
        )
    schemas = cast("Mapping[str, JsonObject]", signals) if isinstance(signals, Mapping) else None
    for signal in signals:
        yield ProcessEventType(
            name=signal_event_type(signal),
            payload_schema={} if schemas is None else schemas[signal],
        )
