"""Rules of wakes: what wakes whom, with which words, and how often."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ...model import (
    ConstantDedupe,
    EventIdentityDedupe,
    JsonValue,
    PluginReason,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventSemanticsSpec,
    ProcessEventType,
    ProcessProvenance,
    ProcessRegistration,
    ProcessValueSelector,
    ProcessWake,
    ProcessWakeDedupeKey,
    ProcessWakeDelivery,
    ProcessWakeSpec,
    SelectorDedupe,
    TurnCausalRef,
)
from ._registry_bench import (
    ELSEWHERE,
    FRAME,
    PLAIN,
    SESSION,
    RegistryBench,
    registry_check,
    request,
    signal,
)
from ._rules import expect, expect_refused

WAKING = "signal.waking"


def _waking(
    input: ProcessValueSelector,
    when: ProcessValueSelector | None = None,
    dedupe_key: ProcessWakeDedupeKey | None = None,
) -> ProcessRegistration:
    """A registration with a type whose events wake the session."""
    spec = ProcessWakeSpec(input=input, when=when, dedupe_key=dedupe_key or EventIdentityDedupe())
    waking = ProcessEventType(name=WAKING, semantics=ProcessEventSemanticsSpec(wake=spec))
    return attrs.evolve(PLAIN, event_types=(*PLAIN.event_types, waking), wake_target=SESSION)


WAKEABLE = _waking(ProcessValueSelector.constant("wake up"))
"""A registration whose events of type ``WAKING`` wake the session."""


async def _wake(bench: RegistryBench, payload: JsonValue) -> ProcessWakeDelivery:
    delivery = (await bench.registry.append_event("p1", request(WAKING, payload))).wake_delivery
    if delivery is None:
        raise AssertionError(f"expected {payload!r} to wake {SESSION.id}, got no delivery")
    return delivery


def _numbers(events: Sequence[ProcessEvent]) -> list[int]:
    return [event.sequence for event in events]


@registry_check
async def a_wake_delivery_names_its_event(bench: RegistryBench) -> None:
    """The delivery of a wake says whom it wakes, for which event, with which input, and why."""
    cause = TurnCausalRef(session_id="s1", turn_id="t1")
    provenance = ProcessProvenance.host("conformance", cause)
    asked = attrs.evolve(WAKEABLE, provenance=provenance, wake_target=FRAME)
    await bench.registry.register_process(asked)
    await bench.signals(1)
    appended = await bench.registry.append_event("p1", request(WAKING, {}))
    delivery = appended.wake_delivery
    if delivery is None:
        raise AssertionError("expected a wake delivery, got None")
    expect("the session that is woken", delivery.target_session_id, FRAME.session_id)
    expect("the scope that is woken", delivery.target_scope_id, FRAME.id)
    expect("the process", delivery.process_id, "p1")
    expect("the number of the event", delivery.sequence, 2)
    expect("the type of the event", delivery.event_type, WAKING)
    expect("the input", delivery.input, "wake up")
    expect("the cause", delivery.process_caused_by, cause)
    expect("the time", delivery.created_at_ms, appended.event.occurred_at_ms)


@registry_check
async def the_input_of_a_wake_is_selected(bench: RegistryBench) -> None:
    """The input of a wake is what the selector takes from the payload, as text."""
    pointer = ProcessValueSelector.pointer("/who/name")
    selectors: dict[str, tuple[ProcessValueSelector, str]] = {
        "payload": (ProcessValueSelector.payload(), '{"n":1,"who":{"name":"Ada"}}'),
        "pointer": (pointer, "Ada"),
        "constant": (ProcessValueSelector.constant("hello"), "hello"),
        "template": (ProcessValueSelector.template("Hello {who}!", {"who": pointer}), "Hello Ada!"),
        "present": (ProcessValueSelector.present("/n"), "true"),
    }
    for name, (selector, expected) in selectors.items():
        await bench.registry.register_process(attrs.evolve(_waking(selector), id=name))
        asked = request(WAKING, {"who": {"name": "Ada"}, "n": 1})
        event = (await bench.registry.append_event(name, asked)).event
        wake = event.semantics.wake
        expect(f"the input of a {name} selector", None if wake is None else wake.input, expected)


@registry_check
async def a_wake_may_have_a_condition(bench: RegistryBench) -> None:
    """A type with a condition wakes only where the condition selects something true."""
    when = ProcessValueSelector.pointer("/loud")
    asked = _waking(ProcessValueSelector.constant("wake up"), when)
    await bench.registry.register_process(asked)
    for loud in (False, None, ""):
        appended = await bench.registry.append_event("p1", request(WAKING, {"loud": loud}))
        expect(f"the wake with loud={loud!r}", appended.wake_delivery, None)
        expect("the wake semantics", appended.event.semantics.wake, None)
    await _wake(bench, {"loud": True})
    wakes = await bench.registry.wake_events_after("p1", 0)
    expect("the numbers of the wake events", _numbers(wakes), [4])


@registry_check
async def a_wake_must_have_what_its_selector_wants(bench: RegistryBench) -> None:
    """A wake event in whose payload the selector finds nothing is refused."""
    await bench.registry.register_process(_waking(ProcessValueSelector.pointer("/who")))
    await expect_refused(
        "a wake without /who",
        PluginReason.INVALID_SELECTOR,
        bench.registry.append_event("p1", request(WAKING, {})),
    )
    expect("the log", await bench.log(), [])


@registry_check
async def every_event_is_a_wake_of_its_own(bench: RegistryBench) -> None:
    """By default the wakes of two events are two wakes, whatever their payloads."""
    await bench.registry.register_process(WAKEABLE)
    first, second = await _wake(bench, {}), await _wake(bench, {})
    if first.wake_id == second.wake_id:
        raise AssertionError(f"expected two wake ids, got {first.wake_id!r} twice")
    expect("the dedupe keys", [first.dedupe_key, second.dedupe_key], ["p1:1", "p1:2"])


@registry_check
async def equal_selections_are_one_wake(bench: RegistryBench) -> None:
    """With a dedupe selector, wakes are the same where it selects the same."""
    dedupe = SelectorDedupe(selector=ProcessValueSelector.pointer("/topic"))
    asked = _waking(ProcessValueSelector.constant("wake up"), dedupe_key=dedupe)
    await bench.registry.register_process(asked)
    topics = ("tea", "tea", "coffee")
    ids = [(await _wake(bench, {"topic": topic})).wake_id for topic in topics]
    expect("the same wake for the same topic", ids[0] == ids[1], True)
    expect("the same wake for another topic", ids[0] == ids[2], False)


@registry_check
async def a_constant_key_makes_one_wake(bench: RegistryBench) -> None:
    """With a constant dedupe key, all wakes of a target are the same."""
    dedupe = ConstantDedupe(key="one")
    asked = _waking(ProcessValueSelector.payload(), dedupe_key=dedupe)
    await bench.registry.register_process(asked)
    ids = {(await _wake(bench, {"n": n})).wake_id for n in (1, 2)}
    expect("the number of different wakes", len(ids), 1)
    elsewhere = ProcessEventAppendRequest(
        event_type=WAKING, payload={}, wake_target_scope=ELSEWHERE
    )
    delivery = (await bench.registry.append_event("p1", elsewhere)).wake_delivery
    other = None if delivery is None else delivery.wake_id
    expect("the same wake for another target", other in ids, False)


@registry_check
async def a_wake_needs_a_target(bench: RegistryBench) -> None:
    """Without a wake target there is no delivery; the event says that it is a wake all the same."""
    await bench.registry.register_process(attrs.evolve(WAKEABLE, wake_target=None))
    appended = await bench.registry.append_event("p1", request(WAKING, {}))
    expect("the wake delivery without target", appended.wake_delivery, None)
    wake = ProcessWake(input="wake up", dedupe_key="p1:1")
    expect("the wake semantics of the event", appended.event.semantics.wake, wake)


@registry_check
async def a_request_may_name_the_target(bench: RegistryBench) -> None:
    """The wake target of a request goes before that of the process."""
    await bench.registry.register_process(WAKEABLE)
    asked = ProcessEventAppendRequest(event_type=WAKING, wake_target_scope=ELSEWHERE)
    delivery = (await bench.registry.append_event("p1", asked)).wake_delivery
    target = None if delivery is None else delivery.target_scope_id
    expect("the scope that is woken", target, ELSEWHERE.id)


@registry_check
async def wake_events_are_listed(bench: RegistryBench) -> None:
    """``wake_events_after`` has the wake events above a number, in order, and no others."""
    await bench.registry.register_process(WAKEABLE)
    for asked in (request(WAKING), signal(1), request(WAKING), signal(2), request(WAKING)):
        await bench.registry.append_event("p1", asked)
    for after, numbers in ((0, [1, 3, 5]), (1, [3, 5]), (3, [5]), (5, [])):
        wakes = await bench.registry.wake_events_after("p1", after)
        expect(f"the wake events after {after}", _numbers(wakes), numbers)
    log = await bench.log()
    expect("the wake events", await bench.registry.wake_events_after("p1", 3), [log[4]])


@registry_check
async def an_acknowledged_wake_is_not_listed(bench: RegistryBench) -> None:
    """``ack_wake`` takes one wake out of the list, and only that one."""
    await bench.registry.register_process(WAKEABLE)
    for _ in range(3):
        await _wake(bench, {})
    await bench.registry.ack_wake("p1", 2)
    wakes = await bench.registry.wake_events_after("p1", 0)
    expect("the wakes that are left", _numbers(wakes), [1, 3])
    expect("the length of the log", len(await bench.log()), 3)


@registry_check
async def an_acknowledgement_may_be_repeated(bench: RegistryBench) -> None:
    """Acknowledging a wake again is no change."""
    await bench.registry.register_process(WAKEABLE)
    for _ in range(2):
        await _wake(bench, {})
    for _ in range(2):
        await bench.registry.ack_wake("p1", 1)
    wakes = await bench.registry.wake_events_after("p1", 0)
    expect("the wakes that are left", _numbers(wakes), [2])


@registry_check
async def what_is_no_wake_cannot_be_acknowledged(bench: RegistryBench) -> None:
    """Acknowledging a number that is no wake event is no change, also for a later event's number."""
    await bench.registry.register_process(WAKEABLE)
    await bench.signals(1)
    await bench.registry.ack_wake("p1", 1)
    await bench.registry.ack_wake("p1", 2)
    await _wake(bench, {})
    wakes = await bench.registry.wake_events_after("p1", 0)
    expect("the wakes that are left", _numbers(wakes), [2])


CHECKS = (
    a_wake_delivery_names_its_event,
    the_input_of_a_wake_is_selected,
    a_wake_may_have_a_condition,
    a_wake_must_have_what_its_selector_wants,
    every_event_is_a_wake_of_its_own,
    equal_selections_are_one_wake,
    a_constant_key_makes_one_wake,
    a_wake_needs_a_target,
    a_request_may_name_the_target,
    wake_events_are_listed,
    an_acknowledged_wake_is_not_listed,
    an_acknowledgement_may_be_repeated,
    what_is_no_wake_cannot_be_acknowledged,
)
