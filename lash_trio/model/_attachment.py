"""Attachments: envelopes carry references, never bytes."""

from __future__ import annotations

import attrs

from ._checks import at_least, instance_of, optional
from ._errors import InvalidValueError

IMAGE_MEDIA_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
DOCUMENT_MEDIA_TYPES = frozenset({"application/pdf", "text/plain"})
MEDIA_TYPES = IMAGE_MEDIA_TYPES | DOCUMENT_MEDIA_TYPES
"""The media types that an envelope can represent durably."""


def is_durable_media_type(media_type: str) -> bool:
    """Whether an attachment of this media type can be referred to in an envelope."""
    return media_type.strip().lower() in MEDIA_TYPES


@attrs.frozen(kw_only=True)
class AttachmentRef:
    """Names bytes in an attachment store.

    Args:
        id: the store's name for them.
        media_type: one of :data:`MEDIA_TYPES`.
        byte_len: how many bytes there are.
        width: of an image, in pixels.
        height: of an image, in pixels.
        label: a name for people.
    """

    id: str
    media_type: str
    byte_len: int = attrs.field(validator=at_least(0))
    width: int | None = attrs.field(default=None, validator=optional(at_least(0)))
    height: int | None = attrs.field(default=None, validator=optional(at_least(0)))
    label: str | None = None


@attrs.frozen(kw_only=True)
class AttachmentCreateMeta:
    """What is known of bytes when they are put into an attachment store."""

    media_type: str
    width: int | None = attrs.field(default=None, validator=optional(at_least(0)))
    height: int | None = attrs.field(default=None, validator=optional(at_least(0)))
    label: str | None = None


@attrs.frozen(kw_only=True)
class LlmAttachmentSpec:
    """An attachment as an envelope carries it."""

    reference: AttachmentRef


@attrs.frozen(kw_only=True)
class LlmAttachment:
    """An attachment as an application holds it: bytes, a reference, or both.

    Args:
        media_type: as of the bytes, for example ``image/png``.
        data: the bytes; may be empty where there is a reference.
        reference: where they are stored, if they are.
    """

    media_type: str
    data: bytes = attrs.field(
        default=b"",
        validator=instance_of(bytes),
        repr=lambda data: f"<{len(data)} bytes>",
        metadata={"omit_default": True},
    )
    reference: AttachmentRef | None = None

    def __attrs_post_init__(self) -> None:
        if not self.media_type.strip():
            raise InvalidValueError("an attachment needs a media type, got a blank one")
