"""Modes of files that bind the tests' own user, also where that is root.

Root reads and writes what it likes by two capabilities. Without them it is an ordinary user who happens to own the
files: its Python, its home and its sockets stay where it can use them, which another user's would not.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

_OVERRIDING: Final = {"dac_override": 1, "dac_read_search": 2}
_VERSION_3: Final = 0x20080522


def obeying(*argv: str) -> list[str]:
    """The command line of a program that modes of files bind."""
    if sys.platform == "win32" or os.geteuid():
        return [*argv]
    without = ",".join(f"-{name}" for name in _OVERRIDING)
    return ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}", "--", *argv]


def obey() -> None:
    """Let modes of files bind this process from here on; for a child that ends soon.

    Raises:
        OSError: the system refuses it.
    """
    if sys.platform == "win32" or os.geteuid():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable of the capabilities 0 to 31, then of 32 to 63
    mask = ~sum(1 << number for number in _OVERRIDING.values()) & 0xFFFFFFFF
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    for index in range(3):
        sets[index] &= mask
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")
