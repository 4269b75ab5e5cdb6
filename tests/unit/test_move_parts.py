"""What an export is made of, span by span."""

from __future__ import annotations

from pepys.model.session import Init, Segment, Session, Track
from pepys.move.parts import film_parts, mix_parts, track_parts

SOUND, SILENT = 'video/mp4; codecs="avc1.640028,mp4a.40.2"', 'video/mp4; codecs="avc1.640028"'


def track(name: str, **spans: str) -> Track:
    """A track with a segment in each span `s0=mime`, `s1=mime`."""
    numbers = {int(key[1:]): mime for key, mime in spans.items()}
    return Track(
        name, name.split(".")[0], "made",
        inits=tuple(Init(span, f"init {span}", mime) for span, mime in numbers.items()),
        segments=tuple(Segment(n, span, f"blob {n}", "", 1, 0, 1, 0) for n, span in enumerate(numbers)),
    )  # fmt: skip


def session(*tracks: Track) -> Session:
    return Session("s", "s", "completed", 0, 0, tracks=tracks)


def test_each_span_gives_its_mix_from_where_it_was_recorded() -> None:
    made = session(
        track("video", s0=SOUND, s2=SILENT), track("audio.mix", s1="mp4a"), track("audio.mic", s0="", s1="", s2="")
    )
    # Where no mix was recorded, its devices are what there is.
    assert mix_parts(made) == [[("video", 0), ("audio.mix", 1)], [("audio.mic", 2)]]
    assert film_parts(made) == [("video", 0), ("audio.mix", 1), ("video", 2)]
    assert track_parts(made, "audio.mic") == [("audio.mic", 0), ("audio.mic", 1), ("audio.mic", 2)]


def test_a_mix_of_its_own_comes_before_that_in_the_film_and_is_no_device() -> None:
    made = session(track("video", s0=SOUND), track("audio.mix", s0="mp4a"), track("audio.system", s0=""))
    assert mix_parts(made) == [[("audio.mix", 0)]]
    assert film_parts(made) == [("video", 0)]


def test_without_any_mix_the_devices_are_summed() -> None:
    made = session(track("video", s0=SILENT), track("audio.mic", s0=""), track("audio.system", s0=""))
    assert mix_parts(made) == [[("audio.mic", 0)], [("audio.system", 0)]]
    assert mix_parts(session(track("video", s0=SILENT))) == []
    assert film_parts(session(track("audio.mic", s0=""))) == []
