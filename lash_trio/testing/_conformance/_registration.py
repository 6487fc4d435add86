"""Rules of registering processes."""

from __future__ import annotations

import math

import attrs

from ...model import (
    CANCEL_REQUESTED,
    COMPLETED,
    CORE_EVENT_TYPES,
    WAITING,
    JsonValue,
    PluginReason,
    PreparedToolCall,
    ProcessEventSemanticsSpec,
    ProcessEventType,
    ProcessInput,
    ProcessListFilter,
    ProcessProvenance,
    ProcessRegistration,
    ProcessRunning,
    ProcessStartGrant,
    ProcessStatusFilter,
    ProcessTerminalSpec,
    ProcessTerminalState,
    ProcessValueSelector,
    ProcessWakeSpec,
    SessionScope,
    TurnCausalRef,
)
from ._registry_bench import (
    DESCRIPTOR,
    PLAIN,
    SESSION,
    SIGNAL,
    RegistryBench,
    declaring,
    registry_check,
    request,
)
from ._rules import expect, expect_refused, expect_that

_GRANT = ProcessStartGrant(session_scope=SESSION, descriptor=DESCRIPTOR)
_TOOL_CALL = ProcessInput.tool_call(PreparedToolCall(call_id="c1", tool_name="t", args={}))
_TURN = ProcessInput.session_turn({"create": 1}, {"input": 2})


async def _refused(bench: RegistryBench, what: str, registration: ProcessRegistration) -> None:
    await expect_refused(
        what,
        PluginReason.INVALID_REGISTRATION,
        bench.registry.register_process(registration),
    )


@registry_check
async def a_registered_process_has_its_row(bench: RegistryBench) -> None:
    """``register_process`` returns a row that says what was registered, running and not waiting."""
    cause = TurnCausalRef(session_id="s1", turn_id="t1")
    asked = attrs.evolve(
        PLAIN,
        input=ProcessInput.function("order", {"sku": "x"}),
        provenance=ProcessProvenance.session(SESSION, "conformance", cause),
        env_ref="env-1",
        wake_target=SESSION,
    )
    row = await bench.registry.register_process(asked)
    expect("the id of the row", row.id, asked.id)
    expect("the input of the row", row.input, asked.input)
    expect("the provenance of the row", row.provenance, asked.provenance)
    expect("the environment of the row", row.env_ref, "env-1")
    expect("the wake target of the row", row.wake_target, SESSION)
    expect("the status of the row", row.status, ProcessRunning())
    expect("the wait of the row", row.wait, None)
    expect("the external reference of the row", row.external_ref, None)
    expect("the log of a new process", await bench.log(), [])


@registry_check
async def a_registered_process_is_found(bench: RegistryBench) -> None:
    """``get_process`` returns the row that ``register_process`` returned."""
    expect("the row", await bench.registry.register_process(PLAIN), await bench.row())


@registry_check
async def the_same_registration_is_no_change(bench: RegistryBench) -> None:
    """Registering the same again returns the row as it is by now, and resets nothing."""
    await bench.register()
    await bench.signals(1)
    bench.advance_ms(5)
    await bench.end()
    before = await bench.row()
    expect("the row", await bench.registry.register_process(PLAIN), before)
    expect("the row afterwards", await bench.row(), before)
    expect("the number of events", len(await bench.log()), 2)


@registry_check
async def another_registration_is_a_conflict(bench: RegistryBench) -> None:
    """Another registration under a known id is refused and leaves the first as it is."""
    await bench.register()
    before = await bench.row()
    others = {
        "another input": attrs.evolve(PLAIN, input=ProcessInput.external({"job": 2})),
        "other event types": declaring(ProcessEventType(name=SIGNAL)),
        "another host profile": attrs.evolve(PLAIN, provenance=ProcessProvenance.host("other")),
        "a wake target": attrs.evolve(PLAIN, wake_target=SESSION),
    }
    for what, other in others.items():
        await expect_refused(
            f"a registration of the same id with {what}",
            PluginReason.REGISTRATION_CONFLICT,
            bench.registry.register_process(other),
        )
    expect("the row afterwards", await bench.row(), before)


@registry_check
async def core_event_types_are_declared(bench: RegistryBench) -> None:
    """Every process declares the core event types, whatever it declares itself."""
    row = await bench.registry.register_process(declaring())
    missing = {core.name for core in CORE_EVENT_TYPES} - {kind.name for kind in row.event_types}
    expect("the core types that are missing in the row", sorted(missing), [])
    appended = await bench.registry.append_event("p1", request(CANCEL_REQUESTED, {}, "k"))
    expect("the type of the event", appended.event.event_type, CANCEL_REQUESTED)


@registry_check
async def a_blank_id_is_refused(bench: RegistryBench) -> None:
    """A process id is not blank."""
    for blank in ("", " \t"):
        await _refused(bench, f"the process id {blank!r}", attrs.evolve(PLAIN, id=blank))


@registry_check
async def a_blank_host_profile_is_refused(bench: RegistryBench) -> None:
    """The host profile of the provenance is not blank."""
    for blank in ("", " \t"):
        asked = attrs.evolve(PLAIN, provenance=ProcessProvenance.host(blank))
        await _refused(bench, f"the host profile {blank!r}", asked)


@registry_check
async def a_blank_session_is_refused(bench: RegistryBench) -> None:
    """The session that started a process, and the one that its wakes wake, are not blank."""
    for blank in ("", " \t"):
        scope = SessionScope(session_id=blank)
        started = attrs.evolve(PLAIN, provenance=ProcessProvenance.session(scope, "conformance"))
        await _refused(bench, f"the originating session {blank!r}", started)
        waking = attrs.evolve(PLAIN, wake_target=scope)
        await _refused(bench, f"the wake target {blank!r}", waking)


@registry_check
async def a_blank_definition_is_refused(bench: RegistryBench) -> None:
    """The definition that a ``function`` input names is not blank."""
    for blank in ("", " \t"):
        asked = attrs.evolve(PLAIN, input=ProcessInput.function(blank))
        await _refused(bench, f"the definition {blank!r}", asked)


@registry_check
async def a_blank_environment_is_refused(bench: RegistryBench) -> None:
    """An environment reference is not blank where there is one."""
    for blank in ("", " \t"):
        asked = attrs.evolve(PLAIN, input=ProcessInput.function("order"), env_ref=blank)
        await _refused(bench, f"the environment reference {blank!r}", asked)


@registry_check
async def core_event_types_keep_their_meaning(bench: RegistryBench) -> None:
    """A core event type may be declared with a wake, but with no other end and no other schema."""
    wake = ProcessWakeSpec(input=ProcessValueSelector.payload())
    failing = ProcessTerminalSpec(
        state=ProcessTerminalState.FAILED, await_output=ProcessValueSelector.payload()
    )
    for what, other in (
        ("no end", ProcessEventType(name=COMPLETED)),
        ("another end", _ending(COMPLETED, failing)),
        ("an end", _ending(CANCEL_REQUESTED, failing)),
        ("a schema", ProcessEventType(name=WAITING, payload_schema={"type": "object"})),
    ):
        await _refused(bench, f"{other.name} declared with {what}", declaring(other))
    semantics = ProcessEventSemanticsSpec(wake=wake)
    waking = ProcessEventType(name=CANCEL_REQUESTED, semantics=semantics)
    row = await bench.registry.register_process(declaring(waking))
    expect_that(waking in row.event_types, f"expected the row to declare {waking!r}, got {row!r}")


def _ending(name: str, terminal: ProcessTerminalSpec) -> ProcessEventType:
    return ProcessEventType(name=name, semantics=ProcessEventSemanticsSpec(terminal=terminal))


@registry_check
async def a_blank_event_type_is_refused(bench: RegistryBench) -> None:
    """The name of an event type is not blank."""
    for blank in ("", " \t"):
        asked = declaring(ProcessEventType(name=blank))
        await _refused(bench, f"the event type {blank!r}", asked)


@registry_check
async def an_event_type_declared_twice_is_refused(bench: RegistryBench) -> None:
    """An event type is declared once."""
    twice = ProcessEventType(name=SIGNAL)
    await _refused(bench, "an event type declared twice", declaring(twice, twice))


@registry_check
async def a_failed_or_cancelled_end_needs_an_await_output(bench: RegistryBench) -> None:
    """A terminal type that ends as failed or cancelled says where the await output is."""
    for state in (ProcessTerminalState.FAILED, ProcessTerminalState.CANCELLED):
        spec = ProcessEventSemanticsSpec(terminal=ProcessTerminalSpec(state=state))
        asked = declaring(ProcessEventType(name="job.over", semantics=spec))
        await _refused(bench, f"a {state} type without await output", asked)


@registry_check
async def a_payload_schema_must_be_one(bench: RegistryBench) -> None:
    """The payload schema of an event type is a JSON Schema."""
    asked = declaring(ProcessEventType(name=SIGNAL, payload_schema={"type": "no such type"}))
    await _refused(bench, "a payload schema that is none", asked)


@registry_check
async def an_input_must_be_json(bench: RegistryBench) -> None:
    """The input of a process is plain JSON."""
    asked = attrs.evolve(PLAIN, input=ProcessInput.external({"job": math.nan}))
    await _refused(bench, "an input with a NaN", asked)


@registry_check
async def a_tool_call_needs_an_environment(bench: RegistryBench) -> None:
    """A ``tool_call`` input is registered with an environment reference, and only so."""
    await _refused(bench, "a tool call without environment", attrs.evolve(PLAIN, input=_TOOL_CALL))
    asked = attrs.evolve(PLAIN, input=_TOOL_CALL, env_ref="env-1")
    row = await bench.registry.register_process(asked)
    expect("the environment of the row", row.env_ref, "env-1")


@registry_check
async def a_function_may_have_an_environment(bench: RegistryBench) -> None:
    """A ``function`` input is registered with or without an environment reference."""
    asked = attrs.evolve(PLAIN, input=ProcessInput.function("order"))
    row = await bench.registry.register_process(asked)
    expect("the environment of a function without one", row.env_ref, None)
    asked = attrs.evolve(asked, id="p2", env_ref="env-1")
    row = await bench.registry.register_process(asked)
    expect("the environment of a function with one", row.env_ref, "env-1")


@registry_check
async def other_inputs_have_no_environment(bench: RegistryBench) -> None:
    """A ``session_turn`` or ``external`` input is registered without environment reference."""
    for asked in (PLAIN, attrs.evolve(PLAIN, input=_TURN)):
        what = f"a {asked.input.tag} input with an environment"
        await _refused(bench, what, attrs.evolve(asked, env_ref="env-1"))
    row = await bench.registry.register_process(attrs.evolve(PLAIN, input=_TURN))
    expect("the input of a turn without environment", row.input, _TURN)


@registry_check
async def a_refused_registration_leaves_nothing(bench: RegistryBench) -> None:
    """A registration that is refused leaves no row and no grant."""
    asked = attrs.evolve(PLAIN, env_ref="env-1")
    await expect_refused(
        "an external input with an environment",
        PluginReason.INVALID_REGISTRATION,
        bench.registry.register_process(asked, _GRANT),
    )
    expect("get_process of it", await bench.registry.get_process("p1"), None)
    everything = ProcessListFilter(status=ProcessStatusFilter.ANY)
    expect("list_processes", await bench.registry.list_processes(everything), [])
    expect("the session's grants", await bench.registry.list_handle_grants(SESSION), [])


@registry_check
async def a_grant_comes_with_the_registration(bench: RegistryBench) -> None:
    """A grant given with a registration makes the process visible at once."""
    row = await bench.registry.register_process(PLAIN, _GRANT)
    entries = await bench.registry.list_handle_grants(SESSION)
    expect("the processes that the session sees", [entry.record for entry in entries], [row])
    expect("the descriptor", entries[0].grant.descriptor, DESCRIPTOR)


@registry_check
async def a_repeated_registration_grants_as_well(bench: RegistryBench) -> None:
    """The same registration again, now with a grant, gives the grant."""
    await bench.register()
    await bench.registry.register_process(PLAIN, _GRANT)
    seen = await bench.registry.has_handle_grant(SESSION, "p1")
    expect_that(seen, f"expected {SESSION.id} to see 'p1' after a registration with a grant")


@registry_check
async def a_conflicting_registration_grants_nothing(bench: RegistryBench) -> None:
    """A registration that is a conflict gives no grant."""
    await bench.register()
    await expect_refused(
        "another registration with a grant",
        PluginReason.REGISTRATION_CONFLICT,
        bench.registry.register_process(declaring(), _GRANT),
    )
    seen = await bench.registry.has_handle_grant(SESSION, "p1")
    expect_that(not seen, f"expected {SESSION.id} not to see 'p1' after a refused registration")


@registry_check
async def a_row_keeps_its_own_input(bench: RegistryBench) -> None:
    """Changing the input after the registration does not change the row."""
    metadata: dict[str, JsonValue] = {"job": 1}
    asked = attrs.evolve(PLAIN, input=ProcessInput.external(metadata))
    await bench.registry.register_process(asked)
    metadata["job"] = 2
    expect("the input of the row", (await bench.row()).input, PLAIN.input)


CHECKS = (
    a_registered_process_has_its_row,
    a_registered_process_is_found,
    the_same_registration_is_no_change,
    another_registration_is_a_conflict,
    core_event_types_are_declared,
    a_blank_id_is_refused,
    a_blank_host_profile_is_refused,
    a_blank_session_is_refused,
    a_blank_definition_is_refused,
    a_blank_environment_is_refused,
    core_event_types_keep_their_meaning,
    a_blank_event_type_is_refused,
    an_event_type_declared_twice_is_refused,
    a_failed_or_cancelled_end_needs_an_await_output,
    a_payload_schema_must_be_one,
    an_input_must_be_json,
    a_tool_call_needs_an_environment,
    a_function_may_have_an_environment,
    other_inputs_have_no_environment,
    a_refused_registration_leaves_nothing,
    a_grant_comes_with_the_registration,
    a_repeated_registration_grants_as_well,
    a_conflicting_registration_grants_nothing,
    a_row_keeps_its_own_input,
)
