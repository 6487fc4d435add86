"""The checks of attachment and artifact stores: ours pass, planted faults are found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path

import pytest
import trio

from lash_trio import AttachmentCreateMeta, AttachmentRef, DurabilityTier, StoreError
from lash_trio.abc import ArtifactStore, AttachmentStore
from lash_trio.model import artifact_reference
from lash_trio.stores.memory import MemoryArtifactStore, MemoryAttachmentStore
from lash_trio.stores.sqlite import SqliteOptions, Synchronous, open_sqlite
from lash_trio.testing.conformance import (
    ARTIFACT_CHECKS,
    ATTACHMENT_CHECKS,
    DURABLE_ARTIFACT_CHECKS,
    DURABLE_ATTACHMENT_CHECKS,
    ArtifactStoreCheck,
    ArtifactStoreUnderTest,
    AttachmentStoreCheck,
    AttachmentStoreUnderTest,
)

FAST = SqliteOptions(synchronous=Synchronous.NORMAL)


def attachments_in(path: Path) -> AbstractAsyncContextManager[AttachmentStore]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[AttachmentStore]:
        async with open_sqlite(path, FAST) as stores:
            yield stores.attachments

    return opened()


def artifacts_in(path: Path) -> AbstractAsyncContextManager[ArtifactStore]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[ArtifactStore]:
        async with open_sqlite(path, FAST) as stores:
            yield stores.artifacts

    return opened()


@pytest.mark.parametrize("check", ATTACHMENT_CHECKS)
def test_attachments_in_memory(check: AttachmentStoreCheck) -> None:
    trio.run(check, AttachmentStoreUnderTest(open=lambda: nullcontext(MemoryAttachmentStore())))


@pytest.mark.parametrize("check", ARTIFACT_CHECKS)
def test_artifacts_in_memory(check: ArtifactStoreCheck) -> None:
    trio.run(check, ArtifactStoreUnderTest(open=lambda: nullcontext(MemoryArtifactStore())))


@pytest.mark.parametrize("check", [*ATTACHMENT_CHECKS, *DURABLE_ATTACHMENT_CHECKS])
def test_attachments_in_a_file(check: AttachmentStoreCheck, tmp_path: Path) -> None:
    def opened() -> AbstractAsyncContextManager[AttachmentStore]:
        return attachments_in(tmp_path / "x.db")

    trio.run(check, AttachmentStoreUnderTest(open=opened, reopen=opened))


@pytest.mark.parametrize("check", [*ARTIFACT_CHECKS, *DURABLE_ARTIFACT_CHECKS])
def test_artifacts_in_a_file(check: ArtifactStoreCheck, tmp_path: Path) -> None:
    def opened() -> AbstractAsyncContextManager[ArtifactStore]:
        return artifacts_in(tmp_path / "x.db")

    trio.run(check, ArtifactStoreUnderTest(open=opened, reopen=opened))


class Attachments(MemoryAttachmentStore):
    """A memory store, to plant faults in."""


class Artifacts(MemoryArtifactStore):
    """A memory store, to plant faults in."""


class NoTierAttachments(Attachments):
    @property
    def durability_tier(self) -> DurabilityTier:
        return "for ever"  # type: ignore[return-value]


class NoTierArtifacts(Artifacts):
    @property
    def durability_tier(self) -> DurabilityTier:
        return "for ever"  # type: ignore[return-value]


class StrippingAttachments(Attachments):
    async def get(self, reference: AttachmentRef) -> bytes:
        return (await super().get(reference)).rstrip(b"\xff")


class StrippingArtifacts(Artifacts):
    async def get(self, reference: str) -> bytes:
        return (await super().get(reference)).rstrip(b"\xff")


class LastOnlyAttachments(Attachments):
    async def put(self, data: bytes, meta: AttachmentCreateMeta) -> AttachmentRef:
        self._data.clear()
        reference = await super().put(data, meta)
        self.last = reference
        return reference

    async def get(self, reference: AttachmentRef) -> bytes:
        try:
            return await super().get(reference)
        except StoreError:
            if reference.id == "sha256:none":
                raise
            return await super().get(self.last)


class LastOnlyArtifacts(Artifacts):
    async def put(self, kind: str, data: bytes) -> str:
        self._data.clear()
        self.last = await super().put(kind, data)
        return self.last

    async def get(self, reference: str) -> bytes:
        if reference in self._data or reference.endswith(":none"):
            return await super().get(reference)
        return await super().get(self.last)


class BorrowingAttachments(Attachments):
    async def put(self, data: bytes, meta: AttachmentCreateMeta) -> AttachmentRef:
        reference = await super().put(data, meta)
        self._data[reference.id] = data
        return reference


class BorrowingArtifacts(Artifacts):
    async def put(self, kind: str, data: bytes) -> str:
        reference = await super().put(kind, data)
        self._data[reference] = data
        return reference


class EmptyHandedAttachments(Attachments):
    async def get(self, reference: AttachmentRef) -> bytes:
        await trio.lowlevel.checkpoint()
        return self._data.get(reference.id, b"")


class EmptyHandedArtifacts(Artifacts):
    async def get(self, reference: str) -> bytes:
        await trio.lowlevel.checkpoint()
        return self._data.get(reference, b"")


class HastyAttachments(Attachments):
    async def get(self, reference: AttachmentRef) -> bytes:
        if reference.id not in self._data:
            raise StoreError("it is not here")
        return self._data[reference.id]


class HastyArtifacts(Artifacts):
    async def get(self, reference: str) -> bytes:
        if reference not in self._data:
            raise StoreError("it is not here")
        return self._data[reference]


class ForgetfulAttachments(Attachments):
    async def put(self, data: bytes, meta: AttachmentCreateMeta) -> AttachmentRef:
        reference = await super().put(data, meta)
        return AttachmentRef(id=reference.id, media_type=meta.media_type, byte_len=len(data))


class PrivateNamesArtifacts(Artifacts):
    async def put(self, kind: str, data: bytes) -> str:
        reference = await super().put(kind, data)
        self._data[f"mine-{reference}"] = self._data[reference]
        return f"mine-{reference}"


class AnyKindArtifacts(Artifacts):
    async def put(self, kind: str, data: bytes) -> str:
        return await super().put(kind.strip() or "none", data)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (NoTierAttachments, "tells_its_tier"),
        (StrippingAttachments, "gives_back_what_was_put"),
        (LastOnlyAttachments, "keeps_bytes_apart"),
        (BorrowingAttachments, "does_not_look_at_the_buffer_again"),
        (EmptyHandedAttachments, "refuses_what_it_does_not_have"),
        (HastyAttachments, "checkpoints"),
        (ForgetfulAttachments, "keeps_what_is_known_of_an_attachment"),
    ],
)
def test_a_fault_of_an_attachment_store_is_found(fault: type[Attachments], rule: str) -> None:
    under_test = AttachmentStoreUnderTest(open=lambda: nullcontext(fault()))
    check = {check.__name__: check for check in ATTACHMENT_CHECKS}[rule]
    with pytest.raises(AssertionError, match=f"rule '{rule}' is broken"):
        trio.run(check, under_test)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (NoTierArtifacts, "tells_its_tier"),
        (StrippingArtifacts, "gives_back_what_was_put"),
        (LastOnlyArtifacts, "keeps_bytes_apart"),
        (BorrowingArtifacts, "does_not_look_at_the_buffer_again"),
        (EmptyHandedArtifacts, "refuses_what_it_does_not_have"),
        (HastyArtifacts, "checkpoints"),
        (PrivateNamesArtifacts, "names_artifacts_alike"),
        (AnyKindArtifacts, "refuses_a_blank_kind"),
    ],
)
def test_a_fault_of_an_artifact_store_is_found(fault: type[Artifacts], rule: str) -> None:
    under_test = ArtifactStoreUnderTest(open=lambda: nullcontext(fault()))
    check = {check.__name__: check for check in ARTIFACT_CHECKS}[rule]
    with pytest.raises(AssertionError, match=f"rule '{rule}' is broken"):
        trio.run(check, under_test)


def test_stores_that_do_not_survive_are_found() -> None:
    class DurableAttachments(Attachments):
        @property
        def durability_tier(self) -> DurabilityTier:
            return DurabilityTier.DURABLE

    class DurableArtifacts(Artifacts):
        @property
        def durability_tier(self) -> DurabilityTier:
            return DurabilityTier.DURABLE

    def attachments() -> AbstractAsyncContextManager[AttachmentStore]:
        return nullcontext(DurableAttachments())

    def artifacts() -> AbstractAsyncContextManager[ArtifactStore]:
        return nullcontext(DurableArtifacts())

    (attachment_check,), (artifact_check,) = DURABLE_ATTACHMENT_CHECKS, DURABLE_ARTIFACT_CHECKS
    with pytest.raises(AssertionError, match="rule 'attachments_survive' is broken"):
        trio.run(attachment_check, AttachmentStoreUnderTest(open=attachments, reopen=attachments))
    with pytest.raises(AssertionError, match="rule 'artifacts_survive' is broken"):
        trio.run(artifact_check, ArtifactStoreUnderTest(open=artifacts, reopen=artifacts))
    with pytest.raises(AssertionError, match="reopen"):
        trio.run(artifact_check, ArtifactStoreUnderTest(open=artifacts))


def test_every_rule_has_a_fault_here() -> None:
    names = {check.__name__ for check in (*ATTACHMENT_CHECKS, *ARTIFACT_CHECKS)}
    text = Path(__file__).read_text("utf-8")
    assert {name for name in names if f'"{name}"),' not in text} == set()


def test_a_reference_says_what_it_is_of() -> None:
    reference = artifact_reference("code", b"a")
    assert reference.startswith("code:sha256:ca978112ca1bbdca")
