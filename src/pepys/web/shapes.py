"""The shapes of requests, and of answers that are no part of a session.

Requests are validated by them. Answers are sent as they are built: a test holds real ones against these models, which
forbid any field that is not named.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pepys import limits

SoundName = Annotated[str, Field(min_length=1, max_length=limits.SOUND_NAME_CHARS)]
"""The name of a track of sound, or of a node."""


class Shape(BaseModel):
    """A shape that holds what it names and nothing else."""

    model_config = ConfigDict(extra="forbid")


class TokenIn(Shape):
    """The API token, typed into the sign-in page."""

    token: str = Field(max_length=512)


class Done(Shape):
    """It is done."""

    ok: bool


class StartIn(Shape):
    """What to record."""

    name: str = Field(default="", max_length=limits.SESSION_NAME_CHARS)
    tags: list[Annotated[str, Field(min_length=1, max_length=limits.TAG_CHARS)]] = Field(default=[], max_length=64)
    countdown_s: int = Field(default=0, ge=0, le=limits.COUNTDOWN_MAX_S, strict=True)


class SetIn(Shape):
    """What is heard from now on: tracks of sound or gains of its graph by name, and the balance of the mix."""

    mute: list[SoundName] | None = Field(default=None, max_length=limits.SOUND_GRAPH_NODES)
    unmute: list[SoundName] | None = Field(default=None, max_length=limits.SOUND_GRAPH_NODES)
    balance: int | None = Field(default=None, ge=0, le=100, strict=True)


class EditIn(Shape):
    """Fields to change; what is not given stays. `tags` is the whole set."""

    name: str | None = Field(default=None, min_length=1, max_length=limits.SESSION_NAME_CHARS)
    tags: list[Annotated[str, Field(min_length=1, max_length=limits.TAG_CHARS)]] | None = Field(
        default=None, max_length=64
    )
    description: str | None = Field(default=None, max_length=limits.NOTE_CHARS)
    category: str | None = Field(default=None, max_length=limits.SESSION_NAME_CHARS)


class NoteIn(Shape):
    """A note or marker; without `at_ms` it is of now, which only a session under way has."""

    text: str = Field(max_length=limits.NOTE_CHARS)
    at_ms: int | None = Field(default=None, ge=0)
    kind: Literal["note", "marker"] = "note"


class EnrichIn(Shape):
    """Stages to run; all local ones when none is named."""

    stages: list[str] | None = Field(default=None, max_length=32)


class Box(Shape):
    """A place on a shot, in shares of its width and height."""

    x: float
    y: float
    w: float
    h: float


class HitOut(Shape):
    """A hit; `marks` are offsets of the found words in `snippet`."""

    session_id: str
    session_name: str
    kind: str
    at: str
    at_ms: int
    end_ms: int
    snippet: str
    marks: list[tuple[int, int]]
    boxes: list[Box] | None = None
    shot: str | None = None


class Hits(Shape):
    """The hits of a search, best first."""

    hits: list[HitOut]


class NoteMade(Shape):
    """Where a note went."""

    id: str
    at_ms: int


class JobMade(Shape):
    """The job that runs the stages."""

    job: str


class Removed(Shape):
    """What a deletion freed."""

    bytes_freed: int


class Status(BaseModel):
    """What the host does; tracks and disk as in `pepys status --json`.

    A track's `encoded` counts pictures repeated while nothing changes, so it may be above `captured`. `sound` tells
    what is muted and the balance of the mix; a track of sound that is heard has its `level`. `held` says why nothing is
    recorded until something else happens, such as `locked`; `countdown_s` how long it is until a session begins.
    """

    state: str
    session: str | None = None
    name: str | None = None
    since: str | None = None
    recorded_ms: int = 0
    sources: list[str] = []
    layout: str = ""
    sound: dict[str, Any] | None = None
    tracks: list[dict[str, Any]] = []
    disk: dict[str, Any] = {}
    countdown_s: int | None = None
    held: str | None = None
    notices: list[dict[str, Any]] = []
    restarts: int = 0


class ShotMade(BaseModel):
    """When the shot was taken, on the session's axis."""

    at_ms: int
    repeat: bool = False


class TrackHealth(Shape):
    """The clocks of one track in milliseconds ago, None for never; `stands` names the one that should have moved."""

    track: str
    source: str
    state: str
    detail: str
    attempt_ms_ago: int | None
    capture_ms_ago: int | None
    write_ms_ago: int | None
    stands: Literal["", "attempt", "capture", "write"]
    stands_ms: int
    restarts: int


class Health(Shape):
    """Attempt, capture and write clocks of each track; `problems` says in words why it is degraded."""

    status: Literal["ok", "degraded"]
    state: str
    held: str
    problems: list[str]
    tracks: list[TrackHealth]


class Problem(Shape):
    """An error, as RFC 9457 has it, with the code and remedy of the command line."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str
