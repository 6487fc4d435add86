"""Registries and stores; each is a package of its own."""
