"""The summary: the session's own sentences, whatever else stands on the screen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pepys.enrich.stage import Unit
from pepys.enrich.stages.summary import TEXT_CHARS, TITLE_CHARS, SummaryStage
from pepys.limits import NS_PER_S
from pepys.model.session import Focus, Note, Session
from pepys.model.sound_levels import Ranges

TALK = (
    "Good morning everyone.",
    "So today we review the quarterly budget for the harbor project.",
    "Alice will send the invoice for the cranes to the accountant on Tuesday.",
    "Bob decided to postpone the migration of the warehouse database until next month.",
    "The harbor project needs a new permit before the cranes can be moved.",
    "We agreed to hire a second welder for the harbor project in spring.",
    "Okay, thanks.",
    "The insurance for the cranes ends in March and must be renewed.",
)
JUNK = (
    "Malmo (Ui (ol alo) ge)v Zam",
    "File Edit View Help",
    "=> { x: 1 }",
    "eS",
    "/usr/lib/x86_64 -> ../lib",
    "1 2 3 4 5 6",
)


class Fixed:
    """A source that holds what a test says."""

    def __init__(self, session: Session, speech: tuple[str, ...] = (), screen: tuple[str, ...] = ()) -> None:
        self.session = session
        self._items: dict[str, list[dict[str, Any]]] = {
            "transcript": [
                {"track": "audio.mic", "start_ms": 1000 * n, "end_ms": 1000 * n + 900, "text": text, "words": []}
                for n, text in enumerate(speech)
            ],
            "screen_text": [
                {"shot": "b", "lines": [{"text": text, "x": 0.0, "y": 0.0, "w": 1.0, "h": 0.1} for text in screen]}
            ],
        }

    def blob(self, blob: str) -> bytes:
        raise AssertionError(f"a summary reads no blob {blob}")

    def items(self, stage: str) -> list[dict[str, Any]]:
        return self._items[stage]

    def heard(self, track: str) -> tuple[Ranges, Ranges]:
        raise AssertionError(f"a summary hears no {track}")


def session(notes: tuple[str, ...] = (), focus: tuple[Focus, ...] = ()) -> Session:
    made = tuple(Note(str(n), n, text) for n, text in enumerate(notes))
    return Session("s", "", "completed", 0, 60 * NS_PER_S, notes=made, focus=focus)


def summary(source: Fixed) -> dict[str, Any]:
    (item,) = json.loads(json.dumps(SummaryStage().run(Unit("u", ()), source)))
    assert isinstance(item, dict)
    return item


def test_it_is_made_of_sentences_that_were_said_and_short_enough() -> None:
    made = summary(Fixed(session(), TALK, JUNK))
    assert made["title"] and len(made["title"]) <= TITLE_CHARS
    assert len(made["text"]) <= TEXT_CHARS
    assert "harbor project" in made["text"]
    for point in made["points"]:
        assert point in TALK
    for junk in JUNK:
        assert junk not in made["text"]
        assert junk not in made["points"]
    assert not made["title"].lower().startswith(("so ", "good morning"))


def test_the_same_session_gives_the_same_words() -> None:
    assert summary(Fixed(session(), TALK, JUNK)) == summary(Fixed(session(), TALK, JUNK))


def test_where_nobody_speaks_the_screen_s_prose_is_used_and_its_junk_is_not() -> None:
    line = "The invoice for the zanzibar project was paid on Tuesday."
    made = summary(Fixed(session(), (), (*JUNK, line)))
    assert made["text"] == line
    assert made["points"] == [line]


@pytest.mark.parametrize("speech", [(), ("Hello.",)])
def test_junk_alone_makes_no_summary_of_junk(speech: tuple[str, ...]) -> None:
    made = summary(Fixed(session(), speech, JUNK))
    assert made == {"title": "", "text": "", "points": []}


def test_without_words_the_window_longest_in_front_gives_the_title() -> None:
    focus = (
        Focus(0, 5 * NS_PER_S, "xterm", "notes - editor"),
        Focus(5 * NS_PER_S, 65 * NS_PER_S, "browser", "Harbor permits"),
        Focus(65 * NS_PER_S, 999 * NS_PER_S, "secret", "secret", excluded=True),
    )
    made = summary(Fixed(session(focus=focus)))
    assert made["title"] == "Harbor permits"
    assert made["text"] == "In front: browser (1 min), xterm (5 s)."


def test_notes_are_points_and_name_a_session_in_which_nothing_was_said() -> None:
    made = summary(Fixed(session(notes=("Ask Alice about the crane invoice", "ask alice about the crane invoice"))))
    assert made["title"] == "Ask Alice about the crane invoice"
    assert made["points"] == ["Ask Alice about the crane invoice"]


def test_a_long_talk_without_full_stops_is_bounded() -> None:
    made = summary(Fixed(session(), ("word and more words " * 3000,)))
    assert len(made["text"]) <= TEXT_CHARS + 1
    assert len(made["title"]) <= TITLE_CHARS


def test_what_was_said_again_and_again_is_said_once() -> None:
    again = tuple(
        f"Bob decided to postpone the migration of the database until next month, point {n}." for n in range(30)
    )
    made = summary(Fixed(session(), (*TALK, *again)))
    assert made["text"].count("postpone the migration") <= 2
    assert sum("postpone the migration" in point for point in made["points"]) <= 2


def test_segments_heard_twice_are_told_once_even_where_everything_fits() -> None:
    said = (
        "The quarterly budget was moved to Thursday.",
        "the quarterly budget was moved to Thursday",
        "The quarterly budget, was moved to thursday!",
        "Carol orders 20 cranes for the harbor.",
        "Carol orders 30 cranes for the harbor.",
    )
    made = summary(Fixed(session(), said))
    assert made["text"] == f"{said[0]} {said[3]} {said[4]}"


def test_lines_read_twice_from_the_screen_are_told_once() -> None:
    line = "The invoice for the zanzibar project was paid on Tuesday."
    misread = line.replace("zanzibar", "zanzlbar")
    made = summary(Fixed(session(), (), (line, misread, line.upper(), line.removesuffix("."))))
    assert made["text"] == line
    assert made["points"] == [line]


def test_segments_without_a_full_stop_stay_sentences_of_their_own() -> None:
    said = ("We fed the quokka yesterday", "The elephant slept in the marmalade", "and woke at noon")
    made = summary(Fixed(session(), said))
    assert made["text"] == "We fed the quokka yesterday. The elephant slept in the marmalade and woke at noon."


@pytest.mark.parametrize(
    "fragments", [("Thursday.",), ("Moved to", "Thursday.", "to Thursday."), ("Thursday", "Thursday")]
)
@pytest.mark.parametrize("after", [False, True])
def test_a_fragment_beside_its_sentence_is_left_out(fragments: tuple[str, ...], after: bool) -> None:
    whole = "The quarterly budget was moved to Thursday."
    said = (whole, *fragments) if after else (*fragments, whole)
    assert summary(Fixed(session(), said))["text"] == whole


def test_points_are_other_sentences_than_the_text_s() -> None:
    made = summary(Fixed(session(), tuple(f"{text[:-1]}, as was agreed at some length before." for text in TALK)))
    assert made["points"]
    for point in made["points"]:
        assert point not in made["text"]
