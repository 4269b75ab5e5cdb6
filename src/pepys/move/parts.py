"""What a film and a sound file are made of: tracks, each in some of the session's spans.

Pure. Invariants: the mix is the one that was recorded, with its balance, mutes and limiter: a span's own track of it,
or else the sound in its film. The tracks of single devices are summed only where no mix was recorded, as in sessions of
before and in those that came from elsewhere. Nothing is in a file twice.
"""

from __future__ import annotations

from typing import Final

from pepys.model.session import Session, Track

FILM: Final = "video"
MIX: Final = "audio.mix"
_SOUND: Final = "audio."
_CODED_SOUND: Final = ("mp4a", "opus")

Part = tuple[str, int]
"""A track in one span, by name and number."""


def film_parts(session: Session) -> list[Part]:
    """The film, and the mix of those spans that have no pictures; empty for a session without any."""
    film = set(_spans(session, FILM))
    if not film:
        return []
    sound = set(_spans(session, MIX)) - film
    return [(FILM if span in film else MIX, span) for span in sorted(film | sound)]


def mix_parts(session: Session) -> list[list[Part]]:
    """Lines of parts whose sum is what was heard; empty without sound."""
    mix, film = set(_spans(session, MIX)), set(_spans(session, FILM, with_sound=True))
    mixed: list[Part] = [(MIX if span in mix else FILM, span) for span in sorted(mix | film)]
    devices = [name for name in sound_tracks(session) if name != MIX]
    apart = [[(name, span) for span in _spans(session, name) if span not in mix | film] for name in devices]
    return [line for line in (mixed, *apart) if line]


def track_parts(session: Session, name: str) -> list[Part]:
    """One track alone."""
    return [(name, span) for span in _spans(session, name)]


def sound_tracks(session: Session) -> list[str]:
    """The tracks of sound that hold something."""
    return [track.track for track in session.tracks if track.track.startswith(_SOUND) and track.segments]


def _spans(session: Session, name: str, *, with_sound: bool = False) -> list[int]:
    track = session.track(name)
    return [] if track is None else _held(track, with_sound)


def _held(track: Track, with_sound: bool) -> list[int]:
    held = {segment.span for segment in track.segments}
    return [
        init.span
        for init in sorted(track.inits, key=lambda init: init.span)
        if init.span in held and (not with_sound or any(codec in init.mime.lower() for codec in _CODED_SOUND))
    ]
