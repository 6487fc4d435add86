"""The ``lash-trio`` command.

It needs the extra ``lash-trio[cli]``; importing this package does not.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

_EXTRA = ("click", "jinja2", "platformdirs", "pythonjsonlogger", "rich")


def main() -> None:
    """Run the ``lash-trio`` command with the arguments of this program.

    Raises:
        SystemExit: always; ``lash-trio run --help`` tells what the statuses mean.
    """
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        print(
            f"lash-trio: the command needs {' and '.join(missing)}, which cannot be found; "
            "python -m pip install 'lash-trio[cli]' installs what it needs.",
            file=sys.stderr,
        )
        sys.exit(2)
    from ._main import command

    command(prog_name="lash-trio")
