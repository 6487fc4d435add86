"""Effect envelopes: what crosses the boundary on the way in."""

from __future__ import annotations

import attrs

from ._command import EffectCommand
from ._converter import dump_member, dumps
from ._errors import EffectError, EffectErrorCode
from ._invocation import EffectSubject, Invocation
from ._json import dump_text, text_hash


@attrs.frozen(kw_only=True)
class EffectEnvelope:
    """One effect: who asks, and for what.

    Args:
        invocation: its subject is the effect, of the command's kind; it has a replay key.
        command: what to do.

    Raises:
        EffectError: codes ``runtime_effect_invocation_subject``,
            ``runtime_effect_invocation_kind``, ``runtime_effect_replay_required``.
    """

    invocation: Invocation
    command: EffectCommand

    def __attrs_post_init__(self) -> None:
        subject = self.invocation.subject
        if not isinstance(subject, EffectSubject):
            raise EffectError(
                EffectErrorCode.INVOCATION_SUBJECT,
                f"the subject of an envelope's invocation must be an effect, got a {subject.tag}",
            )
        if not subject.effect_id.strip():
            raise EffectError(
                EffectErrorCode.INVOCATION_SUBJECT,
                f"the effect id of an envelope's invocation must not be blank, got "
                f"{subject.effect_id!r} for a {self.command.kind} command",
            )
        if subject.kind is not self.command.kind:
            raise EffectError(
                EffectErrorCode.INVOCATION_KIND,
                f"the invocation of effect {subject.effect_id!r} is for a {subject.kind} effect, "
                f"its command is a {self.command.kind} command; they must be of one kind",
            )
        if not self.invocation.replay_key:
            raise EffectError(
                EffectErrorCode.REPLAY_REQUIRED,
                f"effect {subject.effect_id!r} ({subject.kind}) needs a replay key that is not "
                "empty, so that its outcome can be found again",
            )

    @property
    def effect_id(self) -> str:
        """The id of the effect."""
        return self.invocation.effect_id or ""

    @property
    def replay_key(self) -> str:
        """The key under which the outcome is recorded."""
        return self.invocation.replay_key or ""


def envelope_text(envelope: EffectEnvelope) -> str:
    """The canonical JSON of an envelope: what :func:`dumps` returns, in half the time.

    Every effect of a durable host is written down like this.  All but the command is
    texts at known places, unless the envelope was made by a turn.

    Raises:
        WireError: code ``invalid_json``, where the command holds what JSON cannot say.
    """
    invocation = envelope.invocation
    scope = invocation.scope
    if not (
        invocation.caused_by is None
        and scope.turn_index is None
        and scope.protocol_iteration is None
    ):
        return dumps(envelope)
    turn = "" if scope.turn_id is None else f',"turn_id":{dump_text(scope.turn_id)}'
    return (
        f'{{"command":{dump_member(envelope.command)},'
        f'"invocation":{{"replay":{{"key":{dump_text(envelope.replay_key)}}},'
        f'"scope":{{"session_id":{dump_text(scope.session_id)}{turn}}},'
        f'"subject":{{"effect_id":{dump_text(envelope.effect_id)},'
        f'"kind":"{envelope.command.kind.value}","type":"effect"}}}}}}'
    )


def stable_hash(envelope: EffectEnvelope) -> str:
    """SHA-256, in hex, of the envelope's canonical JSON.

    It does not depend on insertion order, library versions, process or platform.

    Raises:
        WireError: code ``invalid_json``, where the command holds what JSON cannot say.
    """
    return text_hash(envelope_text(envelope))
