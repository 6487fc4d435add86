"""Starts a program that cannot look up names on the network, and that ends with its parent.

A Restate server looks for new releases, and no setting of its own stops that; it does
not heed the variables for proxies either.  It cannot do so without the address, and for
that it has to ask a name server.  So the kernel is told to give this program sockets of
the internet for TCP only: name servers are asked over UDP.  Endpoints are reached as
before, at addresses and at names that ``/etc/hosts`` has.

Run as ``python -m lash_trio.cli._restate_confined PARENT PROGRAM ARGUMENT...``.

Sources: seccomp(2), prctl(2), and ``linux/seccomp.h``, ``linux/audit.h`` for the numbers.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

_SET_PARENT_DEATH_SIGNAL, _SET_SECCOMP, _SET_NO_NEW_PRIVILEGES = 1, 22, 38
_SECCOMP_FILTER = 2
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
# Of `struct seccomp_data`; the low halves of arguments, both machines being little-endian.
_NUMBER, _MACHINE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_LOAD, _EQUALS, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06
_KIND_OF_SOCKET = 0xF
_NO_PARENT = 0


@attrs.frozen
class _Machine:
    audit: int
    socket_call: int


_MACHINES = {"x86_64": _Machine(0xC000003E, 41), "aarch64": _Machine(0xC00000B7, 198)}


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("operand", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def can_confine() -> bool:
    """Whether this system can do it: Linux on x86_64 or aarch64, with seccomp."""
    return (
        sys.platform == "linux"
        and platform.machine() in _MACHINES
        and Path("/proc/sys/kernel/seccomp/actions_avail").exists()
    )


def confined(command: Sequence[str], *, ends_with_parent: bool = True) -> list[str]:
    """The command that starts a command in this way.

    Args:
        command: a program by its path, and its arguments.
        ends_with_parent: whether it gets SIGTERM when the thread that started it ends.
    """
    parent = os.getpid() if ends_with_parent else _NO_PARENT
    return [sys.executable, "-m", __name__, str(parent), *command]


def _filter(machine: _Machine) -> list[tuple[int, int, int, int]]:
    """Refuse sockets of IPv4 and IPv6 that are not for streams; jumps are relative."""
    return [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUALS, 0, 8, machine.audit),
        (_LOAD, 0, 0, _NUMBER),
        (_EQUALS, 0, 6, machine.socket_call),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUALS, 1, 0, socket.AF_INET),
        (_EQUALS, 0, 3, socket.AF_INET6),
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
        (_AND, 0, 0, _KIND_OF_SOCKET),
        (_EQUALS, 0, 1, socket.SOCK_STREAM),
        (_RETURN, 0, 0, _ALLOW),
        # What a machine without such an address family would say: name look-ups give up.
        (_RETURN, 0, 0, _ERROR | errno.EAFNOSUPPORT),
    ]


def _confine(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)

    def control(*arguments: object) -> None:
        if libc.prctl(*arguments, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"prctl: {os.strerror(number)}")

    if parent != _NO_PARENT:
        control(_SET_PARENT_DEATH_SIGNAL, ctypes.c_ulong(signal.SIGTERM), 0)
        if os.getppid() != parent:
            raise OSError(errno.ESRCH, "who started this has ended")
    filter_ = [_Instruction(*each) for each in _filter(_MACHINES[platform.machine()])]
    program = _Program(len(filter_), (_Instruction * len(filter_))(*filter_))
    # Without it only root may set a filter; it cannot be taken back, and children inherit both.
    control(_SET_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), 0)
    control(_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_FILTER), ctypes.byref(program))


def _main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    try:
        _confine(parent)
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"lash-trio: {command[0]} could not be started: {error}")


if __name__ == "__main__":
    _main()
