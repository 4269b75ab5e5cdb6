"""`python -m pepys.enrich.adapters`: which engines work here, as one JSON object on stdout.

A child of its own for the doctor, so that no engine's libraries enter a command.
"""

from __future__ import annotations

import json
import sys

from pepys.enrich.adapters.tesseract import Tesseract
from pepys.enrich.adapters.whisper import Whisper
from pepys.errors import PepysError


def main() -> int:
    """Write, for each engine, its name, or what is missing and the remedy."""
    told: dict[str, dict[str, str]] = {}
    for name, engine in (("screen text", Tesseract()), ("speech", Whisper())):
        try:
            told[name] = {"engine": engine.engine()}
        except PepysError as error:
            told[name] = {"missing": error.message, "remedy": error.remedy}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
