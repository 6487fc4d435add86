"""An endpoint that serves the registry alone, in an operating-system process of its own.

Run as ``python objects_app.py PORT``.
"""

from __future__ import annotations

import sys

import trio

from lash_trio.engines.restate import RestateEndpoint, RestateOptions


async def main() -> None:
    options = RestateOptions(first_retry_ms=20, longest_retry_ms=100)
    await RestateEndpoint(None, options).serve_tcp(int(sys.argv[1]))


if __name__ == "__main__":
    trio.run(main)
