"""The log of a worker: lines for people, or one JSON document a line."""

from __future__ import annotations

import json
import logging
import sys

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from ._describe import one_line, printable

_JSON_FIELDS = "%(levelname)s %(name)s %(message)s"
_JSON_NAMES = {"levelname": "level", "name": "logger"}


def log_to_stderr(*, as_json: bool, verbose: bool) -> None:
    """Send what any logger says to stderr.

    Args:
        as_json: whether each line is a JSON document.
        verbose: whether the library tells what it would else keep to itself.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(json_formatter() if as_json else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("lash_trio").setLevel(logging.DEBUG if verbose else logging.INFO)


def json_formatter() -> logging.Formatter:
    """One JSON document a line: ``timestamp``, ``level``, ``logger``, ``message``, and ids."""
    return JsonFormatter(
        _JSON_FIELDS, rename_fields=_JSON_NAMES, timestamp=True, json_ensure_ascii=False
    )


class TextFormatter(logging.Formatter):
    """One line of text, with the ids behind the message as ``name=value``."""

    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line itself; a traceback follows on lines of its own."""
        extras = {name: value for name, value in vars(record).items() if name not in RESERVED_ATTRS}
        said = one_line(super().formatMessage(record))
        shown = (f"{name}={json.dumps(value, default=str)}" for name, value in extras.items())
        return " ".join((said, *shown))

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        """A traceback that cannot steer a terminal."""
        return printable(super().formatException(ei))  # type: ignore[arg-type]
