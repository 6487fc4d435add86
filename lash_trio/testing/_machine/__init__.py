"""Programs that drive registries and scopes; the public face is ``lash_trio.testing.machines``."""
