"""The measure of words: errors are counted as they are counted everywhere, and a clip comes back as it was said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pepys.bench.words import PASSAGES, Clip, Outcome, errors_between, figures, listened, spoken, words_of
from pepys.bench.words.__main__ import clip_of, recorded
from pepys.errors import PepysError
from pepys.media.pcm import decode_pcm


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("", "", 0),
        ("one two three", "", 3),
        ("", "one", 1),
        ("one two three", "one two three", 0),
        ("one two three", "one three", 1),
        ("one two three", "one or two three", 1),
        ("one two three", "one too three", 1),
        ("a b c d e f", "b c d e f a", 2),
    ],
)
def test_errors_are_words_put_in_taken_out_and_exchanged(said: str, heard: str, errors: int) -> None:
    assert errors_between(said.split(), heard.split()) == errors


def test_case_and_punctuation_are_no_errors() -> None:
    assert words_of("He didn\N{RIGHT SINGLE QUOTATION MARK}t; \u201cWhy?\u201d") == words_of("he didn't why")


def test_the_figure_is_the_difference_over_all_words() -> None:
    (figure,) = figures([Outcome("a", 100, 10, 10, 60.0, 1, 1.0), Outcome("b", 300, 10, 16, 60.0, 1, 1.0)])
    assert figure.value == pytest.approx(1.5)
    assert figure.held is False
    assert "source 5.0 %, recorded 6.5 % of 400 words" in figure.said


def test_there_are_words_enough() -> None:
    assert 3 * len(words_of(" ".join(PASSAGES))) > 800


def test_a_clip_is_recorded_as_it_was_said(tmp_path: Path) -> None:
    clip = spoken("en-us", 150, ["Somebody opened the window because the room had become warm."], tmp_path)
    said = clip_of(clip.files)
    kept = recorded(said)
    heard = np.concatenate([block.samples for block in decode_pcm(kept.spans, 48_000)])
    assert abs(len(heard) - len(said)) <= 48
    speech = slice(3 * 48_000, len(heard) - 3 * 48_000)
    assert np.corrcoef(said[speech], heard[speech])[0, 1] > 0.9
    # Three seconds of a quiet room lie on both sides, which do not cost what speech does.
    assert kept.unheard > 3 * 48_000
    assert kept.bytes * 8 * 48_000 / len(said) < 20_000


def test_a_child_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(PepysError, match="could not be transcribed"):
        listened([Clip("nobody", (tmp_path / "none.wav",), "nothing")])
