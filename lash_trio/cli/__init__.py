"""The ``lash-trio`` command.

It needs the extra ``lash-trio[cli]`` (click and rich); importing this package does not.
"""

from __future__ import annotations

import sys

_EXTRA = frozenset({"click", "rich"})


def main() -> None:
    """Run the ``lash-trio`` command with the arguments of this program.

    Raises:
        SystemExit: always; ``lash-trio --help`` tells what the statuses mean.
    """
    try:
        from ._main import command
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        print(
            f"lash-trio: the command needs {missing}, which is not installed; "
            "python -m pip install 'lash-trio[cli]' installs what it needs.",
            file=sys.stderr,
        )
        sys.exit(2)
    command(prog_name="lash-trio")
