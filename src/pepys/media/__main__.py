"""`python -m pepys.media`: which codecs work here, as one JSON object on stdout.

A child of its own for the doctor: opening a codec may end the process that does it.
"""

from __future__ import annotations

import json
import sys
from typing import Literal

import av
import av.codec

from pepys.media.libyuv import converter_name

_ENCODERS = ("libx264", "aac", "libopus", "png")
_DECODERS = ("h264", "aac", "opus")


def _opens(name: str, mode: Literal["r", "w"]) -> bool:
    try:
        av.codec.Codec(name, mode)
    except ValueError:
        return False
    return True


def main() -> int:
    """Write what there is."""
    absent = [f"{name} encoder" for name in _ENCODERS if not _opens(name, "w")]
    absent += [f"{name} decoder" for name in _DECODERS if not _opens(name, "r")]
    told = {"av": av.__version__, "absent": absent, "colour": converter_name()}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
