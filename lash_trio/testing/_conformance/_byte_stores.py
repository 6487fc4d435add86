"""Rules of attachment and artifact stores: bytes come back as they were put."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeAlias, TypeVar, cast

import attrs
import trio
from trio.testing import assert_checkpoints

from ...abc import ArtifactStore, AttachmentStore
from ...model import (
    AttachmentCreateMeta,
    AttachmentRef,
    DurabilityTier,
    EffectErrorCode,
    InvalidValueError,
    artifact_reference,
)
from ._rules import expect, expect_error, expect_that, named_check

RefT = TypeVar("RefT")

META = AttachmentCreateMeta(media_type="image/png", width=2, height=3, label="a dot")
KIND = "execution_env"


@attrs.frozen(kw_only=True)
class AttachmentStoreUnderTest:
    """A kind of attachment store, as the checks need it.

    Args:
        open: opens a new, empty store for the length of a block.
        reopen: opens again what the last block of ``open`` or ``reopen`` left; for
            stores that survive, which must pass the durable checks as well.
    """

    open: Callable[[], AbstractAsyncContextManager[AttachmentStore]]
    reopen: Callable[[], AbstractAsyncContextManager[AttachmentStore]] | None = None


@attrs.frozen(kw_only=True)
class ArtifactStoreUnderTest:
    """A kind of artifact store, as the checks need it; see :class:`AttachmentStoreUnderTest`."""

    open: Callable[[], AbstractAsyncContextManager[ArtifactStore]]
    reopen: Callable[[], AbstractAsyncContextManager[ArtifactStore]] | None = None


AttachmentStoreCheck: TypeAlias = Callable[[AttachmentStoreUnderTest], Awaitable[None]]
"""A check of one rule of attachment stores."""
ArtifactStoreCheck: TypeAlias = Callable[[ArtifactStoreUnderTest], Awaitable[None]]
"""A check of one rule of artifact stores."""


@attrs.frozen
class Bytes(Generic[RefT]):
    """A store of either kind, as far as their rules are the same."""

    tier: Callable[[], DurabilityTier]
    put: Callable[[bytes], Awaitable[RefT]]
    get: Callable[[RefT], Awaitable[bytes]]
    missing: RefT


async def tells_its_tier(store: Bytes[RefT]) -> None:
    """A store says how long bytes last, in the terms of the port."""
    tier = store.tier()
    expect_that(tier in tuple(DurabilityTier), f"expected a DurabilityTier, got {tier!r}")


async def gives_back_what_was_put(store: Bytes[RefT]) -> None:
    """Bytes come back as they were put, also none, all values of a byte, and many."""
    for data in (b"a", b"", bytes(range(256)), b"many" * 100_000):
        got = await store.get(await store.put(data))
        expect(f"{len(data)} bytes", bytes(got), data)


async def keeps_bytes_apart(store: Bytes[RefT]) -> None:
    """Other bytes do not take the place of those that were put before."""
    references = [await store.put(data) for data in (b"a", b"b", b"a")]
    expect("the bytes", [await store.get(ref) for ref in references], [b"a", b"b", b"a"])


async def does_not_look_at_the_buffer_again(store: Bytes[RefT]) -> None:
    """Changing a buffer after it was put changes nothing in the store."""
    buffer = bytearray(b"before")
    reference = await store.put(cast(bytes, buffer))
    buffer[:] = b"after!"
    expect("the bytes", await store.get(reference), b"before")


async def refuses_what_it_does_not_have(store: Bytes[RefT]) -> None:
    """Asking for bytes that are not there raises StoreError."""
    await store.put(b"a")
    await expect_error("get", EffectErrorCode.RUNTIME_STORE, store.get(store.missing))


async def checkpoints(store: Bytes[RefT]) -> None:
    """Both methods are checkpoints; in a cancelled scope they raise ``trio.Cancelled``."""
    with assert_checkpoints():
        reference = await store.put(b"a")
    with assert_checkpoints():
        await store.get(reference)
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.put(b"b")
    expect("whether put raised trio.Cancelled", scope.cancelled_caught, True)
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.get(reference)
    expect("whether get raised trio.Cancelled", scope.cancelled_caught, True)


def of_attachments(store: AttachmentStore) -> Bytes[AttachmentRef]:
    """An attachment store as a store of bytes."""
    return Bytes(
        tier=lambda: store.durability_tier,
        put=lambda data: store.put(data, META),
        get=store.get,
        missing=AttachmentRef(id="sha256:none", media_type="image/png", byte_len=1),
    )


def of_artifacts(store: ArtifactStore) -> Bytes[str]:
    """An artifact store as a store of bytes."""
    return Bytes(
        tier=lambda: store.durability_tier,
        put=lambda data: store.put(KIND, data),
        get=store.get,
        missing=f"{KIND}:sha256:none",
    )


async def keeps_what_is_known_of_an_attachment(store: AttachmentStore) -> None:
    """The reference of an attachment has its media type, size and label."""
    got = await store.put(b"four", META)
    expected = AttachmentRef(
        id=got.id, media_type="image/png", byte_len=4, width=2, height=3, label="a dot"
    )
    expect("the reference", got, expected)
    expect_that(bool(got.id.strip()), "expected an id that is not blank")


async def names_artifacts_alike(store: ArtifactStore) -> None:
    """The reference of an artifact is that of every store: ``artifact_reference``."""
    for kind, data in ((KIND, b"a"), (KIND, b"b"), ("code", b"a")):
        reference = await store.put(kind, data)
        expect("the reference", reference, artifact_reference(kind, data))
        expect("the bytes", await store.get(reference), data)


async def refuses_a_blank_kind(store: ArtifactStore) -> None:
    """An artifact of a blank kind is refused."""
    try:
        got = await store.put(" ", b"a")
    except InvalidValueError:
        return
    raise AssertionError(f"expected a blank kind to be refused, got the reference {got!r}")


def _attachment_check(
    rule: Callable[[AttachmentStore], Awaitable[None]],
) -> AttachmentStoreCheck:
    @functools.wraps(rule)
    async def check(under_test: AttachmentStoreUnderTest) -> None:
        async with under_test.open() as store:
            await rule(store)

    return named_check(check)


def _artifact_check(rule: Callable[[ArtifactStore], Awaitable[None]]) -> ArtifactStoreCheck:
    @functools.wraps(rule)
    async def check(under_test: ArtifactStoreUnderTest) -> None:
        async with under_test.open() as store:
            await rule(store)

    return named_check(check)


def _attachment_rule(
    rule: Callable[[Bytes[AttachmentRef]], Awaitable[None]],
) -> AttachmentStoreCheck:
    @functools.wraps(rule)
    async def check(store: AttachmentStore) -> None:
        await rule(of_attachments(store))

    return _attachment_check(check)


def _artifact_rule(rule: Callable[[Bytes[str]], Awaitable[None]]) -> ArtifactStoreCheck:
    @functools.wraps(rule)
    async def check(store: ArtifactStore) -> None:
        await rule(of_artifacts(store))

    return _artifact_check(check)


@named_check
async def attachments_survive(under_test: AttachmentStoreUnderTest) -> None:
    """Attachments are there when the store is opened again."""
    if under_test.reopen is None:
        raise AssertionError("expected AttachmentStoreUnderTest(reopen=...), got None")
    async with under_test.open() as store:
        expect("the tier", store.durability_tier, DurabilityTier.DURABLE)
        reference = await store.put(b"kept", META)
    async with under_test.reopen() as store:
        expect("the bytes", await store.get(reference), b"kept")


@named_check
async def artifacts_survive(under_test: ArtifactStoreUnderTest) -> None:
    """Artifacts are there when the store is opened again."""
    if under_test.reopen is None:
        raise AssertionError("expected ArtifactStoreUnderTest(reopen=...), got None")
    async with under_test.open() as store:
        expect("the tier", store.durability_tier, DurabilityTier.DURABLE)
        reference = await store.put(KIND, b"kept")
    async with under_test.reopen() as store:
        expect("the bytes", await store.get(reference), b"kept")


ATTACHMENT_CHECKS: tuple[AttachmentStoreCheck, ...] = (
    _attachment_rule(tells_its_tier),
    _attachment_rule(gives_back_what_was_put),
    _attachment_rule(keeps_bytes_apart),
    _attachment_rule(does_not_look_at_the_buffer_again),
    _attachment_rule(refuses_what_it_does_not_have),
    _attachment_rule(checkpoints),
    _attachment_check(keeps_what_is_known_of_an_attachment),
)
DURABLE_ATTACHMENT_CHECKS: tuple[AttachmentStoreCheck, ...] = (attachments_survive,)
ARTIFACT_CHECKS: tuple[ArtifactStoreCheck, ...] = (
    _artifact_rule(tells_its_tier),
    _artifact_rule(gives_back_what_was_put),
    _artifact_rule(keeps_bytes_apart),
    _artifact_rule(does_not_look_at_the_buffer_again),
    _artifact_rule(refuses_what_it_does_not_have),
    _artifact_rule(checkpoints),
    _artifact_check(names_artifacts_alike),
    _artifact_check(refuses_a_blank_kind),
)
DURABLE_ARTIFACT_CHECKS: tuple[ArtifactStoreCheck, ...] = (artifacts_survive,)
