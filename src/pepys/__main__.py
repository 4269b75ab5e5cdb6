"""The program `pepys`, also as `python -m pepys`: its first and last milliseconds.

Owns what Ctrl-C does while the command line is still being imported and after it has ended: one line, exit 130, no
traceback. In between SIGINT is Python's own KeyboardInterrupt, which `pepys.cli.main` turns into an exit code.
Nothing may be imported here before the handler stands.
"""

from __future__ import annotations

# `signal` itself builds enums, for 3 ms in which Ctrl-C is a traceback.
import _signal as signals  # type: ignore[import-not-found]
import os
import sys

_INTERRUPTED = 130


def _leave(*_: object) -> None:
    os.write(2, b"pepys: interrupted\n")
    os._exit(_INTERRUPTED)


def _unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """What failed where it can reach nobody: a Ctrl-C ends the program like any other, the rest is for `--debug`."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        _leave()
    if "--debug" in sys.argv:
        sys.__unraisablehook__(unraisable)


def main() -> int:
    """Run the command of the process's arguments; its exit code."""
    # A shell starts a background job with SIGINT ignored: that stays so.
    if signals.getsignal(signals.SIGINT) is not signals.default_int_handler:
        return _run()
    signals.signal(signals.SIGINT, _leave)
    sys.unraisablehook = _unraisable
    import atexit

    # The interpreter gives SIGINT back to the system as it ends; one that is ignored stays ignored.
    atexit.register(signals.signal, signals.SIGINT, signals.SIG_IGN)
    import pepys.cli  # noqa: F401 - slow, and nothing to clean up yet

    try:
        signals.signal(signals.SIGINT, signals.default_int_handler)
        code = _run()
        signals.signal(signals.SIGINT, _leave)
    except KeyboardInterrupt:
        _leave()
    if code == _INTERRUPTED:
        # The interpreter would end itself by the signal where the KeyboardInterrupt had passed through an `exec`,
        # such as that of a dataclass, although it was handled further out.
        atexit._run_exitfuncs()
        sys.stderr.flush()
        os._exit(code)
    return code


def _run() -> int:
    from pepys.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
