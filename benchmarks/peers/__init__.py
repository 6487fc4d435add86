"""The same work on lash_trio and on other libraries for durable execution.

Each in an interpreter of its own, on a SQLite file of its own, with the settings
that the library comes with.
"""
