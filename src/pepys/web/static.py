"""The page: its shell and its bundle, held in memory.

Files are read once when the server starts, so that no request names a path on disk. The shell is answered for every
view of the page, and for nothing else: it holds nothing of anybody, and the page asks the API, which needs the sign-in.
"""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

from fastapi import Response

from pepys.web.problems import problem_response

_SHELL = "index.html"
_PAGES = re.compile(r"(|sign-in|live|search|s/[^/]+)/?")
"""The paths of the page's own views."""
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml",
          ".woff2": "font/woff2", ".json": "application/json", ".webmanifest": "application/manifest+json"}  # fmt: skip


class Bundle:
    """The built page.

    Args:
        folder: where the build put it; one that is missing or empty makes every page a problem that says so.
    """

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, tuple[bytes, str]] = {}
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.is_file():
                kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                self._files[path.relative_to(folder).as_posix()] = (path.read_bytes(), kind)

    @property
    def built(self) -> bool:
        """Whether there is a page to show."""
        return _SHELL in self._files

    def shell(self, status: int = 200) -> Response:
        """The page's shell."""
        if not self.built:
            return problem_response(
                503, "page_missing", "this installation has no page", "run `make ui`, or install the wheel"
            )
        return Response(self._files[_SHELL][0], status, media_type="text/html; charset=utf-8")

    def file(self, path: str) -> Response:
        """A file of the bundle, or the shell where the path names a page."""
        found = self._files.get(path)
        if found is not None and path != _SHELL:
            return Response(found[0], media_type=found[1])
        if _PAGES.fullmatch(path) is None:
            return problem_response(404, "not_found", "there is no such page or file", "")
        return self.shell()
