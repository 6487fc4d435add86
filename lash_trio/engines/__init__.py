"""Durable hosts beyond one machine."""
