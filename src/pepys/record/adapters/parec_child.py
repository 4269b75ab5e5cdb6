"""`python -I -S parec_child.py parec --rate=... --device=...`: what that `parec` would write, of that device alone.

PulseAudio moves a stream to another device when its own is unplugged, and along with the default: then the sound of a
device that nobody asked for comes some 100 ms before anybody can learn of it. A stream that forbids it is closed
instead, and `parec` has no word for that. So this process talks to the library that `parec` is made of. Invariants:
stdout carries nothing but samples; nothing is written of another device than the one that was named; the last line on
stderr says why it ended, in the library's words; where the library cannot be loaded, this process becomes the `parec`
of its words and says so first. It imports nothing of this package: it starts in the time of a bare interpreter.
"""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint8, c_uint32, c_void_p
from typing import Any, Final, NoReturn

MAY_BE_MOVED: Final = "the server may move this stream to another device"
"""How the line begins that tells that `parec` itself records."""

_LIBRARY: Final = "libpulse.so.0"
_S16LE: Final = 3
_DONT_MOVE, _ADJUST_LATENCY = 0x0200, 0x2000  # pa_stream_flags_t
_CONTEXT_READY: Final = 4
_CONTEXT_OVER: Final = (5, 6)  # failed, terminated
_STREAM_OVER: Final = (3, 4)
_ANY: Final = 0xFFFFFFFF
_POINTERS: Final = (
    "pa_mainloop_new", "pa_mainloop_get_api", "pa_proplist_new", "pa_context_new_with_proplist",
    "pa_stream_new_with_proplist",
)  # fmt: skip

_Told = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
_Readable = ctypes.CFUNCTYPE(None, c_void_p, c_size_t, c_void_p)


class _Form(ctypes.Structure):
    """`pa_sample_spec`."""

    _fields_ = (("format", c_int), ("rate", c_uint32), ("channels", c_uint8))


class _Sizes(ctypes.Structure):
    """`pa_buffer_attr`, in bytes."""

    _fields_ = tuple((name, c_uint32) for name in ("maxlength", "tlength", "prebuf", "minreq", "fragsize"))


class _Recording:
    """One stream of one device, until either is gone."""

    def __init__(self, library: Any, words: list[str]) -> None:
        self._pa = library
        for name in _POINTERS:
            getattr(library, name).restype = c_void_p
        library.pa_strerror.restype = c_char_p
        pairs = [word[2:].partition("=")[::2] for word in words if word.startswith("--")]
        said = dict(pairs)
        channels, rate = int(said["channels"]), int(said["rate"])
        self._device, self._name = os.fsencode(said["device"]), os.fsencode(said["client-name"])
        self._form = _Form(_S16LE, rate, channels)
        size = 2 * channels * rate * int(said["latency-msec"]) // 1000
        self._sizes = _Sizes(_ANY, size, _ANY, _ANY, size)
        self._properties = c_void_p(library.pa_proplist_new())
        for key, value in pairs:
            if key == "property":
                name, _, wanted = value.partition("=")
                library.pa_proplist_sets(self._properties, os.fsencode(name), os.fsencode(wanted))
        # The library calls these as long as the process lives.
        self._on_context, self._on_stream = _Told(self._context_told), _Told(self._stream_told)
        self._on_samples = _Readable(self._write)
        self._context = self._stream = c_void_p()

    def run(self) -> NoReturn:
        """Record until somebody ends it, or the device is gone."""
        pa = self._pa
        loop = c_void_p(pa.pa_mainloop_new())
        api = c_void_p(pa.pa_mainloop_get_api(loop))
        self._context = c_void_p(pa.pa_context_new_with_proplist(api, self._name, self._properties))
        pa.pa_context_set_state_callback(self._context, self._on_context, None)
        if pa.pa_context_connect(self._context, None, 0, None) < 0:
            self._fail("Connection failure")
        pa.pa_mainloop_run(loop, None)
        self._fail("Connection failure")

    def _context_told(self, _context: int, _data: int) -> None:
        state = self._pa.pa_context_get_state(self._context)
        if state == _CONTEXT_READY:
            self._begin()
        elif state in _CONTEXT_OVER:
            self._fail("Connection failure")

    def _begin(self) -> None:
        pa = self._pa
        self._stream = c_void_p(
            pa.pa_stream_new_with_proplist(self._context, self._name, byref(self._form), None, self._properties)
        )
        if not self._stream:
            self._fail("Stream error")
        pa.pa_stream_set_state_callback(self._stream, self._on_stream, None)
        pa.pa_stream_set_read_callback(self._stream, self._on_samples, None)
        flags = _DONT_MOVE | _ADJUST_LATENCY
        if pa.pa_stream_connect_record(self._stream, self._device, byref(self._sizes), flags) < 0:
            self._fail("Stream error")

    def _stream_told(self, _stream: int, _data: int) -> None:
        if self._pa.pa_stream_get_state(self._stream) in _STREAM_OVER:
            self._fail("Stream error")

    def _write(self, _stream: int, _size: int, _data: int) -> None:
        at, size = c_void_p(), c_size_t()
        while True:
            if self._pa.pa_stream_peek(self._stream, byref(at), byref(size)) < 0:
                self._fail("Stream error")
            if not size.value:
                return
            # A hole is told by its size alone: the samples behind it keep their place.
            samples = ctypes.string_at(at, size.value) if at.value else bytes(size.value)
            self._pa.pa_stream_drop(self._stream)
            _give(samples)

    def _fail(self, what: str) -> NoReturn:
        why = self._pa.pa_strerror(self._pa.pa_context_errno(self._context)).decode(errors="replace")
        _leave(f"{what}: {why}", 1)


def _give(samples: bytes) -> None:
    view = memoryview(samples)
    try:
        while view:
            view = view[os.write(1, view) :]
    except OSError as error:
        # Within the library's call an exception would go nowhere.
        _leave("" if isinstance(error, BrokenPipeError) else str(error), 0)


def _leave(said: str, status: int) -> NoReturn:
    """End at once: an orderly way out of the library's calls would lead through its loop."""
    if said:
        sys.stderr.write(f"{said}\n")
        sys.stderr.flush()
    os._exit(status)


def main(words: list[str]) -> NoReturn:
    """Record as the `parec` whose command line is given would."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        sys.stderr.write(f"{MAY_BE_MOVED}: {error}\n")
        sys.stderr.flush()
        os.execv(words[0], words)
    _Recording(library, words[1:]).run()


if __name__ == "__main__":
    main(sys.argv[1:])
