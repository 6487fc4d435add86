"""From a request with bytes to one that an envelope can carry."""

from __future__ import annotations

import pytest

from lash_trio import (
    AttachmentCreateMeta,
    AttachmentRef,
    EffectError,
    InlineEffectController,
    LlmAttachment,
    LlmMessage,
    LlmRequest,
    LlmRequestSpec,
    LlmRole,
    MemoryAttachmentStore,
    StoreError,
    dumps,
    llm_request_spec,
    loads,
)

PNG = b"\x89PNG\r\n\x1a\n"


def request(*attachments: LlmAttachment) -> LlmRequest:
    return LlmRequest(
        model="m",
        messages=(LlmMessage.text(LlmRole.USER, "what is this?"),),
        attachments=attachments,
    )


class BrokenStore(MemoryAttachmentStore):
    async def put(self, data: bytes, meta: AttachmentCreateMeta) -> AttachmentRef:
        raise StoreError("the disk is full")


class DurableController(InlineEffectController):
    @property
    def requires_durable_attachment_store(self) -> bool:
        return True


async def test_bytes_go_into_the_store_and_a_reference_into_the_request() -> None:
    store = MemoryAttachmentStore()
    spec = await llm_request_spec(
        request(LlmAttachment(media_type="image/png", data=PNG)), store, InlineEffectController()
    )
    (attachment,) = spec.attachments
    assert await store.get(attachment.reference) == PNG
    assert attachment.reference.byte_len == len(PNG)
    assert "PNG" not in dumps(spec), "no bytes travel"
    assert loads(LlmRequestSpec, dumps(spec)) == spec


async def test_a_reference_stays_as_it_is() -> None:
    reference = AttachmentRef(id="there", media_type="image/png", byte_len=8)
    spec = await llm_request_spec(
        request(LlmAttachment(media_type="image/png", reference=reference)),
        MemoryAttachmentStore(),
        InlineEffectController(),
    )
    assert spec.attachments[0].reference == reference


async def test_neither_bytes_nor_reference() -> None:
    with pytest.raises(EffectError) as caught:
        await llm_request_spec(
            request(LlmAttachment(media_type="image/png")),
            MemoryAttachmentStore(),
            InlineEffectController(),
        )
    assert caught.value.code == "runtime_effect_attachment_missing_reference"
    assert "image/png" in str(caught.value)


async def test_a_media_type_that_cannot_be_represented() -> None:
    with pytest.raises(EffectError) as caught:
        await llm_request_spec(
            request(LlmAttachment(media_type="application/x-msdownload", data=b"MZ")),
            MemoryAttachmentStore(),
            InlineEffectController(),
        )
    assert caught.value.code == "runtime_effect_attachment_media_type"
    assert "application/x-msdownload" in str(caught.value)


async def test_a_store_that_fails() -> None:
    with pytest.raises(EffectError) as caught:
        await llm_request_spec(
            request(LlmAttachment(media_type="image/png", data=PNG)),
            BrokenStore(),
            InlineEffectController(),
        )
    assert caught.value.code == "runtime_effect_attachment_store"
    assert "the disk is full" in str(caught.value)
    assert isinstance(caught.value.__cause__, StoreError)


async def test_a_durable_controller_needs_a_durable_store() -> None:
    with pytest.raises(EffectError) as caught:
        await llm_request_spec(request(), MemoryAttachmentStore(), DurableController())
    assert caught.value.code == "durable_store_required:attachment_store"
    assert "inline" in str(caught.value)


async def test_bytes_that_are_not_there() -> None:
    reference = AttachmentRef(id="sha256:0", media_type="image/png", byte_len=8)
    with pytest.raises(StoreError) as caught:
        await MemoryAttachmentStore().get(reference)
    assert caught.value.code == "runtime_store"
    assert "sha256:0" in str(caught.value)
