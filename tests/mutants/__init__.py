"""Faults planted one at a time: registries, hosts, controllers, journals and waiters with one bug each.

The conformance kit has to find every one of them, and each of its checks has to
find at least one.  ``python -m tests.mutants`` prints what catches what.
"""
