"""The rules of the ports, one check each; the public face is ``lash_trio.testing.conformance``."""
