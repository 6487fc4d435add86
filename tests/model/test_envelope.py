"""What an envelope checks, and what it shows."""

from __future__ import annotations

import pytest
from hypothesis import given

from lash_trio.model import (
    EffectCommand,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectKind,
    EffectSubject,
    HostEventSubject,
    Invocation,
    InvocationScope,
    JsonValue,
    ProcessEventSubject,
    ProcessSubject,
    Replay,
    SessionNodeSubject,
    Subject,
    WireError,
    dumps,
    envelope_text,
    from_json,
    stable_hash,
    to_json,
)
from lash_trio.testing.strategies import effect_envelopes

SCOPE = InvocationScope(session_id="s")
SLEEP = EffectCommand.sleep(1)


def refused(subject: Subject, replay: Replay | None = None) -> EffectError:
    """The error of an envelope of a sleep, which is the same when it comes over the wire."""
    replay = Replay(key="k") if replay is None else replay
    invocation = Invocation(scope=SCOPE, subject=subject, replay=replay)
    with pytest.raises(EffectError) as caught:
        EffectEnvelope(invocation=invocation, command=SLEEP)
    wire: JsonValue = {"invocation": to_json(invocation), "command": to_json(SLEEP)}
    with pytest.raises(WireError) as read:
        from_json(EffectEnvelope, wire)
    assert read.value.code == caught.value.code
    assert caught.value.message in read.value.message
    return caught.value


@pytest.mark.parametrize(
    "subject",
    [
        ProcessSubject(process_id="p"),
        ProcessEventSubject(process_id="p", sequence=1, event_type="t"),
        HostEventSubject(occurrence_id="o"),
        SessionNodeSubject(node_id="n"),
    ],
)
def test_the_subject_must_be_an_effect(subject: Subject) -> None:
    error = refused(subject)
    assert error.code == "runtime_effect_invocation_subject"
    assert error.code == EffectErrorCode.INVOCATION_SUBJECT
    assert error.message == (
        f"the subject of an envelope's invocation must be an effect, got a {subject.tag}"
    )


@pytest.mark.parametrize("effect_id", ["", " ", "\t\n\u2003"])
def test_the_effect_id_must_not_be_blank(effect_id: str) -> None:
    error = refused(EffectSubject(effect_id=effect_id, kind=EffectKind.SLEEP))
    assert error.code == "runtime_effect_invocation_subject"
    assert f"must not be blank, got {effect_id!r} for a sleep command" in error.message


@pytest.mark.parametrize("kind", [kind for kind in EffectKind if kind is not EffectKind.SLEEP])
def test_subject_and_command_must_be_of_one_kind(kind: EffectKind) -> None:
    error = refused(EffectSubject(effect_id="e", kind=kind))
    assert error.code == "runtime_effect_invocation_kind"
    assert error.message == (
        f"the invocation of effect 'e' is for a {kind} effect, its command is a sleep command; "
        "they must be of one kind"
    )


def test_a_replay_key_is_needed() -> None:
    subject = EffectSubject(effect_id="e", kind=EffectKind.SLEEP)
    error = refused(subject, Replay(key=""))
    assert error.code == "runtime_effect_replay_required"
    assert "effect 'e' (sleep) needs a replay key that is not empty" in error.message

    with pytest.raises(EffectError) as caught:
        EffectEnvelope(invocation=Invocation(scope=SCOPE, subject=subject), command=SLEEP)
    assert (caught.value.code, caught.value.message) == (error.code, error.message)


def test_the_checks_come_in_this_order() -> None:
    # Each breaks the rule that it is refused for, and all that come after.
    empty = Replay(key="")
    assert refused(ProcessSubject(process_id="p"), empty).code.endswith("_subject")
    assert refused(EffectSubject(effect_id=" ", kind=EffectKind.DIRECT), empty).code.endswith(
        "_subject"
    )
    assert refused(EffectSubject(effect_id="e", kind=EffectKind.DIRECT), empty).code.endswith(
        "_kind"
    )


def test_a_replay_key_of_white_space_is_a_key() -> None:
    invocation = Invocation.effect(SCOPE, "e", EffectKind.SLEEP, " ")
    assert EffectEnvelope(invocation=invocation, command=SLEEP).replay_key == " "


@given(effect_envelopes())
def test_what_an_envelope_shows(envelope: EffectEnvelope) -> None:
    assert envelope.effect_id == envelope.invocation.effect_id
    assert envelope.replay_key == envelope.invocation.replay_key
    assert envelope.invocation.effect_kind is envelope.command.kind
    assert stable_hash(envelope) == stable_hash(from_json(EffectEnvelope, to_json(envelope)))
    assert len(stable_hash(envelope)) == 64


@given(effect_envelopes())
def test_its_text_is_its_canonical_json(envelope: EffectEnvelope) -> None:
    assert envelope_text(envelope) == dumps(envelope)


@pytest.mark.parametrize("turn_id", [None, "t", 'a "quoted" one', "\n\u2028 é \U0001f600"])
def test_the_text_of_an_envelope_that_a_scope_makes_is_its_canonical_json(
    turn_id: str | None,
) -> None:
    key = "step \\ #1"
    invocation = Invocation.effect(
        InvocationScope(session_id="s\x00", turn_id=turn_id), key, EffectKind.DURABLE_STEP, key
    )
    command = EffectCommand.durable_step("é", [1.5, {"b": None, "a": [True]}])
    envelope = EffectEnvelope(invocation=invocation, command=command)
    assert envelope_text(envelope) == dumps(envelope)


def nested(depth: int) -> JsonValue:
    value: JsonValue = None
    for _ in range(depth):
        value = [value]
    return value


# An envelope has two objects around the input of its command.
@pytest.mark.parametrize("inside", ["\ud800", float("nan"), {1: 2}, object(), nested(255)])
def test_its_text_refuses_what_json_cannot_say(inside: JsonValue) -> None:
    invocation = Invocation.effect(SCOPE, "e", EffectKind.DURABLE_STEP, "k")
    command = EffectCommand.durable_step("s", inside)
    same_refusal(EffectEnvelope(invocation=invocation, command=command))


@pytest.mark.parametrize("name", ["\ud800", b"bytes"])
def test_its_text_refuses_the_names_that_its_json_refuses(name: str) -> None:
    same_refusal(step_of(name))


@pytest.mark.parametrize("name", [5, None])
def test_its_text_takes_the_names_that_its_json_takes(name: str) -> None:
    assert envelope_text(step_of(name)) == dumps(step_of(name))


def step_of(session_id: str) -> EffectEnvelope:
    where = InvocationScope(session_id=session_id, turn_id="t")
    return EffectEnvelope(
        invocation=Invocation.effect(where, "e", EffectKind.DURABLE_STEP, "k"),
        command=EffectCommand.durable_step("s", None),
    )


def same_refusal(envelope: EffectEnvelope) -> None:
    with pytest.raises(WireError) as of_json:
        dumps(envelope)
    with pytest.raises(WireError) as of_text:
        envelope_text(envelope)
    assert str(of_text.value) == str(of_json.value)


def test_both_take_the_deepest_input_that_a_document_has_room_for() -> None:
    invocation = Invocation.effect(SCOPE, "e", EffectKind.DURABLE_STEP, "k")
    command = EffectCommand.durable_step("s", nested(254))
    envelope = EffectEnvelope(invocation=invocation, command=command)
    assert envelope_text(envelope) == dumps(envelope)
