"""Memory shared with the X server.

Owns one System V segment: made readable by this user alone, attached by the server, and marked for removal right
after, so that it vanishes with the last process that uses it, however that ends.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Final

import numpy as np
import xcffib
from numpy.typing import NDArray
from xcffib import shm

from pepys.errors import DeviceMissing

_IPC_PRIVATE: Final = 0
_IPC_CREAT: Final = 0o1000
_IPC_RMID: Final = 0
_USER_ONLY: Final = 0o600


class SharedMemory:
    """A segment of `size` bytes that the server of `connection` writes to.

    Attributes:
        segment: the id by which requests name it.
        pixels: its bytes. The memory stays mapped as long as any view of it lives.
    """

    def __init__(self, connection: xcffib.Connection, size: int) -> None:
        self._extension = connection(shm.key)
        library = ctypes.CDLL(None, use_errno=True)
        library.shmat.restype = ctypes.c_void_p
        library.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
        library.shmdt.argtypes = [ctypes.c_void_p]
        identifier = library.shmget(_IPC_PRIVATE, ctypes.c_size_t(size), _IPC_CREAT | _USER_ONLY)
        if identifier < 0:
            raise _no_memory(size)
        try:
            address = library.shmat(identifier, None, 0)
            if address is None or address == ctypes.c_void_p(-1).value:
                raise _no_memory(size)
            self.pixels = _view(library, address, size)
            self.segment = connection.generate_id()
            self._extension.AttachChecked(self.segment, identifier, False).check()
        finally:
            library.shmctl(identifier, _IPC_RMID, None)

    def detach(self) -> None:
        """Let go of it, and let the server go of it; views that others took stay valid."""
        self.pixels = np.empty(0, np.uint8)
        self._extension.Detach(self.segment)


def _view(library: ctypes.CDLL, address: int, size: int) -> NDArray[np.uint8]:
    class Block(ctypes.c_ubyte * size):  # type: ignore[misc]  # a class of its own, because plain arrays take no finalizer
        pass

    block = Block.from_address(address)
    weakref.finalize(block, library.shmdt, address)
    return np.frombuffer(block, np.uint8)


def _no_memory(size: int) -> DeviceMissing:
    reason = os.strerror(ctypes.get_errno())
    return DeviceMissing(
        f"no shared memory of {size} bytes for the screen: {reason}", "raise kernel.shmmax or the memory limit"
    )
