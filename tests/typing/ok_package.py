"""The package is typed: a checker sees its module, not Any."""

from typing import assert_type

import lash_trio

assert_type(lash_trio.__name__, str)
