"""Model requests with bytes, and as envelopes carry them."""

from __future__ import annotations

import attrs

from ..abc import AttachmentStore, EffectController
from ..model import (
    AttachmentCreateMeta,
    DurabilityTier,
    EffectError,
    EffectErrorCode,
    LlmAttachment,
    LlmAttachmentSpec,
    LlmCallError,
    LlmRequest,
    LlmRequestSpec,
    LlmTerminalReason,
    ProviderError,
    StoreError,
    is_durable_media_type,
)
from ._durability import StoreFacet, require_durable_store


async def llm_request_spec(
    request: LlmRequest, store: AttachmentStore, controller: EffectController
) -> LlmRequestSpec:
    """Put the bytes of a request into the store, and refer to them.

    Args:
        request: what an application made.
        store: where bytes go that are not stored yet.
        controller: that the envelope is for; a durable one needs a durable store.

    Raises:
        EffectError: ``runtime_effect_attachment_missing_reference`` (neither bytes nor
            reference), ``runtime_effect_attachment_media_type``,
            ``runtime_effect_attachment_store``, ``durable_store_required:attachment_store``.

    A checkpoint where something is stored.
    """
    if controller.requires_durable_attachment_store:
        require_durable_store(
            StoreFacet.ATTACHMENT_STORE, DurabilityTier.DURABLE, store.durability_tier
        )
    attachments = [await _spec(attachment, store) for attachment in request.attachments]
    return LlmRequestSpec(
        model=request.model,
        messages=request.messages,
        attachments=tuple(attachments),
        tools=request.tools,
        tool_choice=request.tool_choice,
        model_variant=request.model_variant,
        generation=request.generation,
        session_id=request.session_id,
        output_spec=request.output_spec,
    )


async def _spec(attachment: LlmAttachment, store: AttachmentStore) -> LlmAttachmentSpec:
    if attachment.reference is not None:
        return LlmAttachmentSpec(reference=attachment.reference)
    if not attachment.data:
        raise EffectError(
            EffectErrorCode.ATTACHMENT_MISSING_REFERENCE,
            f"an attachment ({attachment.media_type}) needs a reference or bytes, got neither",
        )
    if not is_durable_media_type(attachment.media_type):
        raise EffectError(
            EffectErrorCode.ATTACHMENT_MEDIA_TYPE,
            f"an attachment of media type {attachment.media_type!r} cannot be represented "
            "durably; see MEDIA_TYPES for those that can",
        )
    meta = AttachmentCreateMeta(media_type=attachment.media_type)
    try:
        reference = await store.put(attachment.data, meta)
    except StoreError as error:
        raise EffectError(
            EffectErrorCode.ATTACHMENT_STORE,
            f"an attachment of {len(attachment.data)} bytes ({attachment.media_type}) could not "
            f"be stored before the effect: {error.message}",
        ) from error
    return LlmAttachmentSpec(reference=reference)


async def resolve_attachments(request: LlmRequest, store: AttachmentStore) -> LlmRequest:
    """Fetch the bytes that a request refers to from the store.

    Args:
        request: its attachments may be references, or have their bytes already.
        store: where the bytes are.

    Raises:
        ProviderError: code ``attachment_resolution_failed``, where the store does not
            have one of them, or has other bytes under its name.

    A checkpoint where there is something to fetch.
    """
    attachments = [await _resolved(attachment, store) for attachment in request.attachments]
    return attrs.evolve(request, attachments=tuple(attachments))


def plain_llm_request(spec: LlmRequestSpec) -> LlmRequest:
    """The request of a spec, its attachments being references."""
    return LlmRequest(
        model=spec.model,
        messages=spec.messages,
        attachments=tuple(
            LlmAttachment(media_type=each.reference.media_type, reference=each.reference)
            for each in spec.attachments
        ),
        tools=spec.tools,
        tool_choice=spec.tool_choice,
        model_variant=spec.model_variant,
        generation=spec.generation,
        session_id=spec.session_id,
        output_spec=spec.output_spec,
    )


async def _resolved(attachment: LlmAttachment, store: AttachmentStore) -> LlmAttachment:
    reference = attachment.reference
    if attachment.data or reference is None:
        return attachment
    try:
        if not is_durable_media_type(reference.media_type):
            raise StoreError(f"its media type is {reference.media_type!r}, which no model takes")
        data = await store.get(reference)
        if len(data) != reference.byte_len:
            raise StoreError(f"it should have {reference.byte_len} bytes, and has {len(data)}")
    except StoreError as error:
        raise ProviderError(
            LlmCallError(
                message=f"the attachment {reference.id!r} could not be resolved: {error.message}",
                code=EffectErrorCode.ATTACHMENT_RESOLUTION_FAILED,
                terminal_reason=LlmTerminalReason.PROVIDER_ERROR,
            )
        ) from error
    return attrs.evolve(attachment, data=data)
