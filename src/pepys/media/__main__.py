"""`python -m pepys.media [ENCODER]`: which codecs work here, as one JSON object on stdout.

A child of its own for the doctor: opening a codec may end the process that does it. ENCODER is what settings ask for;
it is tried as a recording would try it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

import av
import av.codec

from pepys.errors import Usage
from pepys.media.encoders import Choice, choose_encoder
from pepys.media.libyuv import converter_name
from pepys.media.video import DEFAULT_QP

_ENCODERS = ("libx264", "aac", "libopus", "libwebp", "png")
_DECODERS = ("h264", "aac", "opus", "webp", "png")
_TRIED = (1920, 1080, 30)


def _opens(name: str, mode: Literal["r", "w"]) -> bool:
    try:
        av.codec.Codec(name, mode)
    except ValueError:
        return False
    return True


def _encoder(wish: str) -> Choice:
    try:
        return choose_encoder(wish, *_TRIED, DEFAULT_QP)
    except Usage as error:
        return Choice("", error.message, failed=True)


def main(argv: Sequence[str]) -> int:
    """Write what there is."""
    absent = [f"{name} encoder" for name in _ENCODERS if not _opens(name, "w")]
    absent += [f"{name} decoder" for name in _DECODERS if not _opens(name, "r")]
    encoder = asdict(_encoder(argv[0] if argv else "auto"))
    told = {"av": av.__version__, "absent": absent, "colour": converter_name(), "encoder": encoder}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
