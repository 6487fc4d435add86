"""Validators that several classes share."""

from __future__ import annotations

from attrs.validators import instance_of

IS_TUPLE = instance_of(tuple)
"""Frozen objects hold tuples: a list could change under them."""
