"""`python -m pepys.bench.words`: records clips as a microphone's sound would be, and transcribes what came of them.

Takes the clips as JSON from its input and answers in one JSON object. What it records goes through the same parts as a
recording: the graph of a microphone, the encoder that this graph declares, fragments, and the decoder of transcripts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pepys.bench.sound_signal import noise
from pepys.bench.words import Outcome, errors_between, words_of
from pepys.enrich.adapters.whisper import Whisper
from pepys.enrich.stages.transcript import SAMPLE_RATE
from pepys.errors import PepysError
from pepys.limits import SOUND_RATE
from pepys.media.fmp4 import FragmentWriter, SoundSample, init_segment
from pepys.media.pcm import Span, decode_pcm
from pepys.media.sound_file import SoundFile
from pepys.media.sound_graph import SoundRun
from pepys.model.sound_graph import Node, SoundGraph
from pepys.record.sound_plan import Device, default_graph
from pepys.record.sound_span import make_encoder

Pcm = NDArray[np.int16]

ROOM_DB: Final = -60.0
PAUSE_S: Final = 3
_STEP: Final = SOUND_RATE // 5
_LOUD: Final = 2_600
"""The root mean square of speech in an arm's distance: -22 dBFS."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded of a clip."""

    spans: list[Span]
    bytes: int
    unheard: int


def clip_of(files: Sequence[Path]) -> Pcm:
    """The sound of wave files as a microphone hears it: equally loud, with pauses, in a quiet room."""
    parts: list[Pcm] = [np.zeros(PAUSE_S * SOUND_RATE, np.int16)]
    for file in files:
        pcm = _read(file)
        loud = pcm[np.abs(pcm.astype(np.int32)) > _LOUD // 10].astype(np.float64)
        scale = _LOUD / np.sqrt(np.mean(loud**2)) if len(loud) else 1.0
        parts += [np.clip(pcm * scale, -32768, 32767).astype(np.int16), np.zeros(PAUSE_S * SOUND_RATE, np.int16)]
    whole = np.concatenate(parts)
    mixed = whole.astype(np.int32) + noise(ROOM_DB, len(whole))
    found: Pcm = np.clip(mixed, -32768, 32767).astype(np.int16)
    return found


def recorded(pcm: Pcm) -> Recorded:
    """Send a microphone's sound through graph, encoder and fragments."""
    graph = default_graph(Device("clip"), None)
    assert graph is not None
    node = next(node for node in graph.of_kind("encoder") if node.params["codec"] == "opus")
    encoder = make_encoder(graph, node)
    run = SoundRun(graph)
    packets: list[SoundSample] = []
    unheard = 0
    for start in range(0, len(pcm) + 1, _STEP):
        run.push("mic", pcm[start : start + _STEP].reshape(-1, 1))
        if start + _STEP > len(pcm):
            run.end(len(pcm))
        block = run.take(node.name)
        unheard += 0 if block.active else len(block.pcm)
        packets += encoder.encode(block.pcm, block.active)
    packets += encoder.flush()
    data = FragmentWriter(None, encoder.config, 0).write((), 0, packets)
    span = Span(init_segment(None, encoder.config), [data])
    return Recorded([span], sum(len(packet.data) for packet in packets), unheard)


def outcome(voice: str, files: Sequence[Path], text: str, engine: Whisper) -> Outcome:
    """Hear a clip before and after it was recorded."""
    pcm, said = clip_of(files), words_of(text)
    kept = recorded(pcm)
    after = np.concatenate([block.samples for block in decode_pcm(kept.spans, SAMPLE_RATE)])
    wrong = [
        errors_between(said, words_of(" ".join(spoken.text for spoken in engine.hear(sound))))
        for sound in (_lowered(pcm), after)
    ]
    seconds = len(pcm) / SOUND_RATE
    return Outcome(voice, len(said), wrong[0], wrong[1], seconds, kept.bytes, kept.unheard / SOUND_RATE)


def _lowered(pcm: Pcm) -> Pcm:
    """One channel at the rate in which speech is heard."""
    tap = Node("heard", "tap", {"rate": SAMPLE_RATE})
    run = SoundRun(SoundGraph((Node("clip", "microphone"), tap), (("clip", "heard"),)))
    blocks: list[Pcm] = []
    for start in range(0, len(pcm), _STEP):
        run.push("clip", pcm[start : start + _STEP].reshape(-1, 1))
        blocks.append(run.take("heard").pcm.reshape(-1))
    run.end(len(pcm))
    return np.concatenate([*blocks, run.take("heard").pcm.reshape(-1)])


def _read(path: Path) -> Pcm:
    file = SoundFile(path, 1)
    try:
        return np.concatenate([block.reshape(-1) for block in file.blocks()])
    finally:
        file.close()


def main() -> int:
    """Do all clips; the exit status is the error's."""
    order: list[dict[str, Any]] = json.load(sys.stdin)
    engine = Whisper()
    try:
        engine.engine()
        told = [outcome(clip["voice"], [Path(file) for file in clip["files"]], clip["text"], engine) for clip in order]
    except PepysError as error:
        sys.stdout.write(json.dumps({"error": error.to_json()}) + "\n")
        return error.exit_code
    sys.stdout.write(json.dumps({"outcomes": [asdict(each) for each in told]}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
