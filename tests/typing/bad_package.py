"""Mistakes that a type checker must find in code that uses the package."""

import lash_trio

lash_trio.no_such_name  # expect-error: attr-defined
lash_trio.__name__ + 1  # expect-error: operator
