"""A planted fault, and looking for it with the checks of its port."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs
import trio

Check = Callable[[Any], Awaitable[None]]

HANGS_AFTER_SECONDS = 60


@attrs.frozen
class Port:
    """A port and its checks.

    Args:
        name: what it is called.
        checks: by name.
    """

    name: str
    checks: dict[str, Check]

    @staticmethod
    def of(name: str, *checks: Sequence[Check]) -> "Port":
        return Port(name, {check.__name__: check for group in checks for check in group})


@attrs.frozen(kw_only=True)
class Mutant:
    """An implementation of a port with one fault.

    Args:
        port: which port it implements.
        kind: the faulty class, or a function that makes a fault; its docstring tells which.
        subject: makes what the checks of the port are given.
        caught_by: the checks that have to find the fault; others may.
    """

    port: Port
    kind: Callable[..., object]
    subject: Callable[[], object]
    caught_by: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.port.name}-{self.kind.__name__}"

    @property
    def fault(self) -> str:
        return (self.kind.__doc__ or "").partition("\n")[0]

    def found_by(self, check_name: str) -> str | None:
        """What a check says about the fault, or None where it does not find it."""

        async def run() -> None:
            # A check tells; one that hangs is no check.
            with trio.fail_after(HANGS_AFTER_SECONDS):
                await self.port.checks[check_name](self.subject())

        try:
            trio.run(run)
        except AssertionError as error:
            return str(error)
        return None
