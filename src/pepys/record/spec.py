"""What a recorder is asked to record: the one document that the host hands to it, through an inherited channel.

Everything is decided before it is written here: names of devices are resolved, defaults are filled in. The keys travel
beside it in the same message and are never written anywhere. Leaves finding devices to `probe` and starting the
process to `launch`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from pepys import limits
from pepys.errors import Usage

PROTOCOL: Final = 4
"""Version of this document and of the commands on the recorder's socket."""


@dataclass(frozen=True, slots=True)
class RecordSpec:
    """One session to record, or to go on with.

    Attributes:
        home: the data folder.
        session: the session's id; a new one, or an interrupted one with `resume`.
        name: the session's name.
        socket: path of the control socket to listen on (at most 104 bytes).
        run_file: path of the file that tells where this recorder is (`run/<session>.json` in the home).
        tags: tags from the start on.
        config: what was asked for, as the session's first event keeps it.
        resume: go on with an interrupted session in a new span.
        display: the X display such as `:1`, of monitors, regions, windows and focus; None where there is none.
        sources: what is shown, each as `KIND:ARG` (see `sources`); several are composed by `layout`.
        sources_required: whether the session fails without every one of them (else what is missing is left out).
        layout: how several sources are composed, as `layouts.parse_layout` reads it.
        exclude: patterns of windows that must not be recorded.
        exclude_builtin: whether private browsing and password managers are left out too.
        encoder: `auto` for a hardware encoder where a trial succeeds, `x264`, or an encoder's name.
        cursor: whether the pointer is drawn into the video.
        fps: most frames a second.
        quality: `low`, `medium`, `high` or `ultra`; of the video only.
        video: whether the sources are recorded as video; shots need a source too, activity needs only the display.
        sound_graph: how sound is recorded, as `model.sound_graph` reads it; its devices are names of the sound server.
            None for no sound.
        sound_required: source nodes of that graph without which the session fails.
        shots_interval_ns: time between two shots, the longest where it is adaptive; 0 for none.
        shots_adaptive: whether shots follow what happens (see `shot_schedule`).
        activity: whether focused windows are noted.
        absent: default sources that were looked for and not found, as (track, reason); shown as failed tracks.
        disk_reserve_bytes: the recording ends in order when less than this is free.
        orphan_ns: the recording ends in order after this long without any connected client.
        lost_ns: it ends in order after this long without any source.
        when_locked: `pause` while the screen is locked, or `record` on.
        memory_limit_bytes: a recorder that grows beyond it is started anew.
        rehearsal: only try whether all of this can be recorded (see `rehearsal`); nothing begins.
    """

    home: str
    session: str
    name: str
    socket: str
    run_file: str
    tags: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    resume: bool = False
    display: str | None = None
    sources: tuple[str, ...] = ()
    sources_required: bool = False
    layout: str = "passthrough"
    exclude: tuple[str, ...] = ()
    exclude_builtin: bool = True
    encoder: str = "auto"
    cursor: bool = True
    fps: int = 30
    quality: str = "medium"
    video: bool = True
    sound_graph: dict[str, Any] | None = None
    sound_required: tuple[str, ...] = ()
    shots_interval_ns: int = limits.SHOTS_INTERVAL_NS
    shots_adaptive: bool = False
    activity: bool = True
    absent: tuple[tuple[str, str], ...] = ()
    disk_reserve_bytes: int = limits.DISK_RESERVE_BYTES
    orphan_ns: int = limits.ORPHAN_NS
    lost_ns: int = limits.LOST_NS
    when_locked: str = "pause"
    memory_limit_bytes: int = limits.MEMORY_BYTES
    rehearsal: bool = False
    protocol: int = PROTOCOL

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON values."""
        return asdict(self)


def from_json(value: dict[str, Any]) -> RecordSpec:
    """Read a spec; a field of a later version is passed over.

    Raises:
        Usage: a field is missing, or the document is of another protocol.
    """
    known = {f.name for f in fields(RecordSpec)}
    values = {key: item for key, item in value.items() if key in known}
    if values.get("protocol") != PROTOCOL:
        raise Usage(f"the recorder speaks protocol {PROTOCOL}, not {values.get('protocol')}", "install one version")
    for name in ("tags", "sources", "exclude", "sound_required"):
        values[name] = tuple(values.get(name, ()))
    values["absent"] = tuple((str(track), str(reason)) for track, reason in values.get("absent", ()))
    try:
        return RecordSpec(**values)
    except TypeError as error:
        raise Usage(f"the recorder's order is not whole: {error}", "install one version") from error


@dataclass(frozen=True, slots=True)
class Order:
    """A spec and the keys that go with it, as `StoreKeys.to_bytes` gives them."""

    spec: RecordSpec
    keys: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The message on the channel."""
        return json.dumps({"spec": self.spec.to_json(), "keys": self.keys.hex()}).encode()


def decode_order(data: bytes) -> Order:
    """Read what `Order.encode` wrote.

    Raises:
        Usage: the message is no order.
    """
    try:
        value = json.loads(data)
        return Order(from_json(value["spec"]), bytes.fromhex(value["keys"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Usage("the recorder got no order that it can read", "start recordings with `pepys record`") from error
