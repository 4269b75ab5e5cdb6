"""Typed errors: each carries its exit code, one clear line and a remedy.

Entry points print `message` and `remedy` and end with `exit_code`; nothing below them prints. The codes are the
public contract of the command line and never change meaning.
"""

from __future__ import annotations

from typing import ClassVar, Final


class PepysError(Exception):
    """An error that a user can act on.

    Attributes:
        message: one line that says what failed and why.
        remedy: one line that says what to do.
        exit_code: the process exit status for it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    @property
    def code(self) -> str:
        """The error's name in machine output, such as `not_found`."""
        name = type(self).__name__
        return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))

    def to_json(self) -> dict[str, str | int]:
        """The shape of `error` in `--json` output and on the sockets."""
        return {"code": self.code, "message": self.message, "remedy": self.remedy, "exit_code": self.exit_code}


ODD: Final = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)
"""What content that no pepys wrote, though it is sealed with the right key, may raise where it is taken at its word."""


def odd(error: Exception) -> str:
    """What to say of one of `ODD`, in the words of the user."""
    return f"it holds what no pepys wrote: {type(error).__name__}: {str(error)[:200]}"


class Usage(PepysError):
    """The words of a command or a value are not of the form it takes."""

    exit_code = 2


class NotFound(PepysError):
    """No session, file or thing of that name exists."""

    exit_code = 3


class DeviceMissing(PepysError):
    """A display, a sound device or a program that is needed is not there."""

    exit_code = 4


class KeyProblem(PepysError):
    """The master key is missing or is not the one this home was made with."""

    exit_code = 4


class PermissionMissing(PepysError):
    """The system refuses access to a device, a file or a folder."""

    exit_code = 4


class StorageProblem(PepysError):
    """The home is full, read-only or no folder."""

    exit_code = 5


class Damaged(PepysError):
    """Stored data do not verify."""

    exit_code = 6


class NewerFormat(Damaged, ValueError):
    """What is stored is of a version that only a later pepys knows: nothing is wrong with it, and it is left alone.

    Also a `ValueError`, as it may be found where bytes are read of which nobody knows yet what they are part of.
    """

    @classmethod
    def of(cls, what: str, found: int, known: int) -> NewerFormat:
        """`what` is of version `found`; the newest that is known here is `known`."""
        told = f"{what} is of version {found} and needs a newer pepys; this one knows up to {known}"
        return cls(told, f"update pepys to one that knows version {found}")

    def about(self, what: str) -> NewerFormat:
        """The same, where it is known what it was found in."""
        return NewerFormat(f"{what}: {self.message}", self.remedy)


class BudgetExceeded(PepysError):
    """A paid call would pass a limit on money."""

    exit_code = 7


class Busy(PepysError):
    """Another host, recording or program holds what is needed."""

    exit_code = 8


class Partial(PepysError):
    """Some tracks, stages or records failed; the rest is safe."""

    exit_code = 9


class AtRemote(Partial):
    """A piece of film, sound or a shot was left at a remote, and cannot be had from there now; nothing is damaged."""


class Interrupted(PepysError):
    """The user ended it; what was recorded is saved."""

    exit_code = 130


def from_json(value: dict[str, object]) -> PepysError:
    """Rebuild an error that crossed a socket; an unknown code becomes a plain `PepysError`."""
    message, remedy = str(value.get("message", "")), str(value.get("remedy", ""))
    for kind in (*PepysError.__subclasses__(), *Damaged.__subclasses__(), *Partial.__subclasses__()):
        error = kind(message, remedy)
        if error.code == value.get("code"):
            return error
    return PepysError(message, remedy)
