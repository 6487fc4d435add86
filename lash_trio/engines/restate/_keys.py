"""Under which keys the objects of a registry are addressed.

Several applications may share one server: each has a namespace of its own.
"""

from __future__ import annotations

import re

import attrs

from ...model import InvalidValueError

_MARK = "~"
_NAMESPACE = re.compile(r"[a-z0-9-]{1,64}")
_WHOLE = "all"


def _check_namespace(_: object, __: attrs.Attribute[str], value: str) -> None:
    if value and (_NAMESPACE.fullmatch(value) is None or value == _WHOLE):
        raise InvalidValueError(
            "a namespace is empty, or up to 64 small letters, digits and hyphens, but not "
            f"{_WHOLE!r}; got {value!r}"
        )


@attrs.frozen
class ObjectKeys:
    """The keys of one namespace.

    Args:
        namespace: up to 64 small letters, digits and hyphens, but not ``all``; empty
            for none.

    Raises:
        InvalidValueError: a namespace that is none.
    """

    namespace: str = attrs.field(validator=_check_namespace)

    def of_process(self, process_id: str) -> str:
        """The key of a process's objects."""
        if self.namespace:
            return f"{_MARK}{self.namespace}{_MARK}{process_id}"
        # Nobody is registered without an id, but anybody may ask; a key is never empty.
        if not process_id or process_id.startswith(_MARK):
            return f"{_MARK}{process_id}"
        return process_id

    @property
    def whole(self) -> str:
        """The key of the objects that there is one of in a namespace."""
        return self.namespace or _WHOLE

    @staticmethod
    def of_whole(key: str) -> ObjectKeys:
        """The keys of the namespace that an object with the key :attr:`whole` is of.

        Raises:
            InvalidValueError: the key is none.
        """
        return ObjectKeys("" if key == _WHOLE else key)


@attrs.frozen
class ProcessKey:
    """What the key of a process's objects says.

    Args:
        keys: of the namespace.
        process_id: of the process.
    """

    keys: ObjectKeys
    process_id: str


def process_of(key: str) -> ProcessKey:
    """Read a key that :meth:`ObjectKeys.of_process` has made.

    Raises:
        InvalidValueError: the key is none.
    """
    if not key.startswith(_MARK):
        return ProcessKey(ObjectKeys(""), key)
    namespace, mark, process_id = key[1:].partition(_MARK)
    if not namespace or not mark:
        # An id that begins with the mark, or none at all.
        return ProcessKey(ObjectKeys(""), key[1:])
    return ProcessKey(ObjectKeys(namespace), process_id)
