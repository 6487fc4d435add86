"""Attachments in memory."""

import pytest
import trio
from trio.testing import assert_checkpoints

from lash_trio import AttachmentCreateMeta, AttachmentRef, DurabilityTier, StoreError
from lash_trio.stores.memory import MemoryAttachmentStore

PNG = AttachmentCreateMeta(media_type="image/png", width=2, height=3, label="a dot")


async def test_bytes_come_back_as_they_were_put() -> None:
    store = MemoryAttachmentStore()
    reference = await store.put(b"\x89PNG", PNG)
    assert await store.get(reference) == b"\x89PNG"
    assert (reference.media_type, reference.byte_len) == ("image/png", 4)
    assert (reference.width, reference.height, reference.label) == (2, 3, "a dot")


async def test_equal_bytes_have_one_id_and_others_another() -> None:
    store = MemoryAttachmentStore()
    ids = [(await store.put(data, PNG)).id for data in (b"a", b"a", b"b")]
    assert ids[0] == ids[1] != ids[2]


async def test_bytes_that_are_not_there_are_told() -> None:
    store = MemoryAttachmentStore()
    await store.put(b"a", PNG)
    missing = AttachmentRef(id="sha256:none", media_type="image/png", byte_len=1)
    with pytest.raises(StoreError, match=r"the attachment 'sha256:none'.*has 1 attachments"):
        await store.get(missing)


async def test_changing_a_buffer_later_changes_nothing() -> None:
    store = MemoryAttachmentStore()
    buffer = bytearray(b"a")
    reference = await store.put(buffer, PNG)  # type: ignore[arg-type]
    buffer[:] = b"b"
    assert await store.get(reference) == b"a"


async def test_every_method_is_a_checkpoint() -> None:
    store = MemoryAttachmentStore()
    with assert_checkpoints():
        reference = await store.put(b"a", PNG)
    with assert_checkpoints():
        await store.get(reference)
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.put(b"b", PNG)
    assert scope.cancelled_caught


def test_it_is_lost_with_its_process() -> None:
    assert MemoryAttachmentStore().durability_tier is DurabilityTier.INLINE
