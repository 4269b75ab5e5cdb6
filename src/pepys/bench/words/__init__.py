"""What recording does to speech: word errors of a transcript from recorded Opus, against one from the source.

Synthetic voices read a text in a quiet room, with pauses. A child sends them through a recording's own graph, encoder,
fragments and decoder, and hears both what went in and what came out with the engine of the transcripts: codecs and the
engine do not run in the process of the command line.

A transcript changes by a word here and there with any change of the sound, for better as often as for worse; so there
are about a thousand words.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pepys.bench.figures import Figure
from pepys.bench.plan import Bench
from pepys.demo.child import program
from pepys.errors import PepysError, from_json
from pepys.modules import module_words

BAR_POINTS: Final = 1.0
VOICES: Final = (("en-us", 150), ("en-gb+f3", 165), ("en-us+m3", 140))
"""Voices of espeak-ng, and how many words a minute they speak."""
PASSAGES: Final = (
    "The committee met on Tuesday morning to review the figures of the last quarter and to decide which projects should"
    " continue through the winter. Sales in the northern region rose, while the offices on the coast reported a small"
    " decline that nobody had expected.",
    "After a short discussion the chairman asked whether the new warehouse would be ready before the end of October."
    " The engineer answered that the roof was finished, but that the electrical work still needed another month.",
    "Somebody opened the window because the room had become warm, and the noise of the traffic made the next few"
    " sentences difficult to follow.",
    "We agreed to write a summary of every meeting and to send it to all members on the same day. Please remember"
    " to copy the numbers of the invoices into the shared document before you close the account.",
    "The second part of the afternoon was about the program that records the screen. It keeps the pictures and the"
    " sound of a whole day, and a search finds the moment at which a certain word was said or shown.",
    "One customer had lost an important conversation, because the cable of his microphone had come loose and nothing"
    " on the screen had told him. He would have been happy with a simple warning.",
    "My colleague explained that the warning is not enough. The machine should look for another microphone, go on"
    " with it at once, and say afterwards which part of the recording is missing and for what reason.",
    "In the evening we walked along the river to the old bridge, had fish and potatoes in a small restaurant, and"
    " talked about the children, the garden, and the long journey that we are planning for the spring.",
)
_MODULE: Final = "pepys.bench.words"


@dataclass(frozen=True, slots=True)
class Clip:
    """Wave files of one voice, in their order, and what is said in them."""

    voice: str
    files: tuple[Path, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was heard of one clip.

    Attributes:
        voice: whose it is.
        words: words said.
        source: word errors of the transcript from the source.
        recorded: word errors of the transcript from what was recorded.
        seconds: how long the clip is.
        bytes: of the packets that were recorded.
        unheard_s: how much of it was taken for nothing to be heard.
    """

    voice: str
    words: int
    source: int
    recorded: int
    seconds: float
    bytes: int
    unheard_s: float


def word_errors(bench: Bench) -> list[Figure]:
    """The word error rate from recorded Opus less that from the source, in points.

    Raises:
        DeviceMissing: espeak-ng is missing.
        PepysError: the engine of the transcripts is missing, or the child fails.
    """
    clips = []
    for voice, speed in VOICES:
        bench.say(f"the voice {voice} reads, and is transcribed twice")
        clips.append(spoken(voice, speed, PASSAGES, bench.folder))
    return figures(listened(clips))


def figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    """The outcomes of all clips as one figure."""
    words = sum(each.words for each in outcomes)
    source = 100 * sum(each.source for each in outcomes) / words
    recorded = 100 * sum(each.recorded for each in outcomes) / words
    parts = {
        each.voice: {"words": each.words, "source": each.source, "recorded": each.recorded, "seconds": each.seconds,
                     "bytes": each.bytes, "unheard_s": each.unheard_s}
        for each in outcomes
    }  # fmt: skip
    said = f"source {source:.1f} %, recorded {recorded:.1f} % of {words} words, {len(outcomes)} voices"
    return [
        Figure(
            "words", "speech", "word_errors_more", "word error rate from recorded Opus, less that from the source",
            recorded - source, "points", bar=BAR_POINTS, detail=parts, said=said,
        )
    ]  # fmt: skip


def spoken(voice: str, speed: int, passages: Sequence[str], folder: Path) -> Clip:
    """Have espeak-ng read passages into wave files.

    Raises:
        DeviceMissing: espeak-ng is missing.
    """
    espeak = program("espeak-ng", "espeak-ng")
    files = []
    for number, passage in enumerate(passages):
        file = folder / f"{voice}-{number}.wav"
        subprocess.run([espeak, "-v", voice, "-s", str(speed), "-w", str(file), passage], check=True)
        files.append(file)
    return Clip(voice, tuple(files), " ".join(passages))


def listened(clips: Sequence[Clip]) -> list[Outcome]:
    """Record and transcribe clips in a child.

    Raises:
        PepysError: the engine of the transcripts is missing, or the child fails.
    """
    order = [{"voice": clip.voice, "files": [str(file) for file in clip.files], "text": clip.text} for clip in clips]
    # Below the number of its threads, the engine answers with garbage.
    env = {name: value for name, value in os.environ.items() if name != "OMP_THREAD_LIMIT"}
    argv = module_words(_MODULE)
    child = subprocess.run(argv, input=json.dumps(order), capture_output=True, text=True, env=env, check=False)
    try:
        told: dict[str, Any] = json.loads(child.stdout)
    except ValueError:
        last = child.stderr.strip().splitlines()[-1:] or [f"status {child.returncode}"]
        raise PepysError(f"speech could not be transcribed: {last[0]}", "measure again") from None
    if "error" in told:
        raise from_json(told["error"])
    return [Outcome(**outcome) for outcome in told["outcomes"]]


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared: without case and punctuation."""
    return re.findall(r"[a-z0-9']+", text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))


def errors_between(said: Sequence[str], heard: Sequence[str]) -> int:
    """The least number of words to put in, to take out and to exchange that makes one of the other."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(heard, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1]
