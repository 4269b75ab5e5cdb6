"""Which windows must not be recorded: the patterns of a user and those built in.

Pure. A window is judged by its title, its application's names and its process' name; what follows from that (its
dialogs, menus and tooltips, and blackening its pixels) is left to those who know windows.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from pepys.limits import PATTERN_CHARS
from pepys.record.exclusions_builtin import PRIVATE_BROWSERS, SECRET_KEEPERS, marked
from pepys.record.exclusions_text import plain, plain_glob

_ELSEWHERE: Final = (
    "what others paint of an excluded window is not known: a compositing manager's overview, window switcher, "
    "thumbnails and animations show its picture in another place, a taskbar its title"
)
_INSIDE: Final = (
    "a program that shows itself inside a window of another one, deeper than six windows or beside more than 256, "
    "is judged by that other window alone"
)
_CHROMIUM: Final = (
    "Chrome and Chromium do not mark private windows on X11: they are known only when started with --incognito"
)


@dataclass(frozen=True, slots=True)
class Described:
    """What is excluded, in words that tell nothing of a user's windows.

    Attributes:
        patterns: how many patterns of the user are in force.
        private_browsing: the browsers whose private windows are left out.
        secret_keepers: the password managers and prompts that are left out.
        limits: what cannot be known, each in one sentence.
    """

    patterns: int
    private_browsing: tuple[str, ...] = ()
    secret_keepers: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Patterns in force.

    Attributes:
        patterns: shell globs of the user, each for a whole name, in any case and spelling.
        builtin: whether private browsing and password managers are left out too.
    """

    patterns: tuple[str, ...] = field(default=(), repr=False)
    builtin: bool = True
    _compiled: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Compile once: a window is judged at each change of its title."""
        parts = [fnmatch.translate(plain_glob(pattern[:PATTERN_CHARS])) for pattern in self.patterns]
        object.__setattr__(self, "_compiled", re.compile("|".join(parts)) if parts else None)

    @property
    def active(self) -> bool:
        """Whether anything can be excluded at all."""
        return self.builtin or bool(self.patterns)

    def matches(
        self, title: str, applications: Iterable[str] = (), process: str = "", switches: Iterable[str] = ()
    ) -> bool:
        """Whether a window must not be recorded.

        Args:
            title: its title.
            applications: its instance and class names.
            process: its process' name.
            switches: what that process was started with; only built-in patterns look at it.
        """
        applications = tuple(applications)
        # A window that says nothing is matched by what matches nothing, such as `*`.
        names = [plain(name) for name in (title, *applications, process) if name] or [""]
        if self._compiled is not None and any(self._compiled.match(name) for name in names):
            return True
        return self.builtin and marked(title, applications, process, switches)

    def describe(self) -> Described:
        """What is in force, for people who ask."""
        told = (_ELSEWHERE, _INSIDE) if self.active else ()
        if not self.builtin:
            return Described(len(self.patterns), limits=told)
        return Described(len(self.patterns), PRIVATE_BROWSERS, tuple(SECRET_KEEPERS), (_CHROMIUM, *told))
