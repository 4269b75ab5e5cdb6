"""What there is to do: units, their names and their keys."""

from __future__ import annotations

from dataclasses import replace

from pepys import limits
from pepys.enrich.plan import screen_text_units, summary_units, transcript_units
from pepys.enrich.state import SKIPPED, enrichment_state
from pepys.limits import NS_PER_S
from pepys.model.manifest import ArtifactRef
from pepys.model.session import Init, Note, Segment, Session, Shot, Span, Track

SEGMENT_S = 60


def shots(count: int) -> tuple[Shot, ...]:
    return tuple(Shot(index * NS_PER_S, f"shot {index}", 10, 10) for index in range(count))


def segments(count: int, span: int = 0, sealed: int | None = None) -> tuple[Segment, ...]:
    length_ns = SEGMENT_S * NS_PER_S
    return tuple(
        Segment(
            n, span, f"blob {span} {n}" if sealed is None or n < sealed else "", f"open {n}", 1,
            n * length_ns, length_ns, n * length_ns,
        )
        for n in range(count)
    )  # fmt: skip


def session(minutes: int = 0, shot_count: int = 0, sealed: int | None = None) -> Session:
    end_ns = minutes * 60 * NS_PER_S
    mic = Track("audio.mic", "audio", "mic", inits=(Init(0, "init", ""),), segments=segments(minutes, sealed=sealed))
    return Session(
        "s", "", "completed", 0, end_ns, spans=(Span(0, 0, end_ns, 0),),
        tracks=(mic,) if minutes else (), shots=shots(shot_count),
    )  # fmt: skip


def test_each_distinct_shot_is_in_one_batch_of_at_most_eight() -> None:
    repeated = replace(session(), shots=shots(20) + shots(20))
    units = screen_text_units(repeated)
    assert [shot for unit in units for shot in unit.inputs] == [shot.blob for shot in shots(20)]
    assert [len(unit.inputs) for unit in units] == [limits.SHOTS_A_UNIT, limits.SHOTS_A_UNIT, 4]


def test_an_hour_of_sound_is_cut_into_stretches_of_five_minutes_that_know_their_neighbours() -> None:
    units = transcript_units(session(minutes=60))
    assert len(units) == 12
    own = [range(unit.values["first"], unit.values["last"] + 1) for unit in units]
    assert [n for numbers in own for n in numbers] == list(range(60))
    assert units[1].values["segments"] == [4, 5, 6, 7, 8, 9, 10]
    assert units[0].values["segments"][0] == 0 and units[-1].values["segments"][-1] == 59


def test_stretches_do_not_reach_over_a_pause_or_a_hole() -> None:
    two = session(minutes=2)
    holed = replace(two.tracks[0], segments=(two.tracks[0].segments[0], replace(segments(3)[2], span=0)))
    spans = replace(two.tracks[0], segments=(*segments(1), replace(segments(2, span=1)[1])))
    for track in (holed, spans):
        units = transcript_units(replace(two, tracks=(track,)))
        assert [len(unit.values["segments"]) for unit in units] == [1, 1]


def test_going_on_with_a_recording_changes_only_the_last_stretch() -> None:
    earlier, later = transcript_units(session(minutes=12)), transcript_units(session(minutes=14))
    assert [unit.name for unit in earlier[:2]] == [unit.name for unit in later[:2]]
    assert earlier[2].name != later[2].name


def test_a_segment_that_still_grows_is_left_out() -> None:
    units = transcript_units(session(minutes=6, sealed=4))
    assert [unit.values["segments"] for unit in units] == [[0, 1, 2, 3]]


def test_the_summary_depends_on_what_the_others_made_and_a_later_note_leaves_it_complete() -> None:
    plain = session(shot_count=1)
    made = ArtifactRef("screen_text", screen_text_units(plain)[0].name, "key 1", "blob", "engine")
    other = replace(made, key="key 2")
    one, two = (summary_units(replace(plain, artifacts=(ref,)))[0] for ref in (made, other))
    assert one.name != two.name
    noted = replace(plain, artifacts=(made,), notes=(Note("n", 0, "later"),))
    assert summary_units(noted)[0].name == one.name
    assert summary_units(noted)[0].values != one.values


def test_a_session_without_anything_has_nothing_to_do() -> None:
    assert enrichment_state(session()) == {"state": "completed", "stages": [], "cost_usd": 0.0}


def refs(plain: Session, error: str = "") -> tuple[ArtifactRef, ...]:
    unit = screen_text_units(plain)[0].name
    first = ArtifactRef("screen_text", unit, "key", "blob", "engine", 1.5, 2_000_000_000, error)
    keys = replace(plain, artifacts=(first,))
    return (first, ArtifactRef("summary", summary_units(keys)[0].name, "s", "blob", "engine"))


def test_states_of_stages_are_read_from_the_manifest() -> None:
    plain = session(shot_count=3)
    assert enrichment_state(plain)["state"] == "pending"
    assert enrichment_state(plain, running=("screen_text",))["state"] == "running"
    done = enrichment_state(replace(plain, artifacts=refs(plain)))
    assert (done["state"], done["cost_usd"]) == ("completed", 2.0)
    assert done["stages"][0] == {"name": "screen_text", "state": "completed", "seconds": 1.5, "cost_usd": 2.0}
    failed = enrichment_state(replace(plain, artifacts=refs(plain, "it broke")))
    assert failed["state"] == "failed"
    assert failed["stages"][0]["error"] == "it broke"
    skipped = enrichment_state(replace(plain, artifacts=refs(plain, f"{SKIPPED}no engine; install it")))
    assert skipped["state"] == "completed"
    assert (skipped["stages"][0]["state"], skipped["stages"][0]["error"]) == ("skipped", "no engine; install it")


def test_nothing_of_a_session_that_is_being_recorded_is_complete() -> None:
    plain = session(shot_count=3)
    done = replace(plain, artifacts=refs(plain))
    assert enrichment_state(done)["state"] == "completed"
    live = replace(done, state="recording")
    assert enrichment_state(live)["state"] == "pending"
    assert [stage["state"] for stage in enrichment_state(live)["stages"]] == ["pending", "pending"]
    assert enrichment_state(live, running=("*",))["state"] == "running"
    assert enrichment_state(replace(session(), state="recording"))["state"] == "pending"


def test_a_session_that_went_on_after_it_was_enriched_is_pending() -> None:
    plain = session(shot_count=3)
    part = replace(plain, artifacts=refs(plain))
    grown = enrichment_state(replace(part, end_ns=plain.end_ns + NS_PER_S))
    assert grown["state"] == "pending"
    assert [stage["state"] for stage in grown["stages"]] == ["completed", "pending"]
