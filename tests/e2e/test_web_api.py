"""The API over real sockets: shapes, media, long poll, events, edits, errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from pepys import limits
from pepys.cli.search import _KINDS as COMMAND_KINDS
from pepys.limits import NS_PER_S
from pepys.model.artifacts import ScreenText, TextLine, to_json
from pepys.model.manifest import ArtifactRef
from pepys.model.sound_levels import Levels, pack
from pepys.sessions.edits import edit_session
from pepys.sessions.queries import Library
from pepys.store.edits import add_artifacts
from pepys.store.reader import load
from pepys.web import shapes, shapes_review
from pepys.web.search import KINDS
from tests.web_app import Served, served
from tests.web_session import FRAGMENT_NS, SOUND_MIME, Tape, busy_hour, two_spans

pytestmark = pytest.mark.unhurried


@pytest.fixture
def server(home: Path) -> Iterator[Served]:
    with served(home) as running:
        yield running


def _get(server: Served, path: str, shape: type[BaseModel]) -> dict[str, Any]:
    with server.client() as client:
        answer = client.get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    value: dict[str, Any] = answer.json()
    shape.model_validate(value)
    return value


def test_answers_have_the_documented_shapes(server: Served) -> None:
    tape = two_spans(server.store, tags=("demo",))
    told = _get(server, "/sessions", shapes_review.SessionList)
    assert told["total"] == 1 and told["sessions"][0]["id"] == tape.session
    row = told["sessions"][0]
    overview = _get(server, f"/sessions/{tape.session}/overview", shapes_review.Overview)
    for field in ("name", "state", "started_at", "ended_at", "duration_ms", "wall_ms", "tags", "poster",
                  "bytes_on_disk", "enrichment_state"):  # fmt: skip
        assert row[field] == overview["session"][field], field
    assert row["bytes_on_disk"] > 0
    items = _get(server, f"/sessions/{tape.session}/items?bucket=0", shapes_review.Items)
    shot = items["shots"]["id"][0]
    _get(server, f"/sessions/{tape.session}/shots/{shot}/text", shapes_review.ShotText)
    _get(server, f"/sessions/{tape.session}/playback", shapes_review.Playback)
    _get(server, f"/sessions/{tape.session}/peaks", shapes_review.Peaks)
    _get(server, "/search?q=milk", shapes.Hits)
    _get(server, "/status", shapes.Status)
    _get(server, "/health", shapes.Health)
    with server.client() as client:
        picture = client.get(f"/api/v1/sessions/{tape.session}/shots/{shot}")
        assert picture.content == b"\x89PNG first" and picture.headers["content-type"] == "image/png"


def test_what_kind_of_picture_a_shot_is_its_bytes_say(server: Served) -> None:
    tape = Tape(server.store)
    tape.begin_span()
    shots = {kind: tape.shot(0, data) for kind, data in (("png", b"\x89PNG"), ("webp", b"RIFF\4\0\0\0WEBP"))}
    tape.write(1)
    tape.end()
    with server.client() as client:
        for kind, shot in shots.items():
            picture = client.get(f"/api/v1/sessions/{tape.session}/shots/{shot}")
            assert picture.headers["content-type"] == f"image/{kind}"


def test_overview_of_a_busy_hour_fits_over_the_wire(server: Served) -> None:
    tape = busy_hour(server.store)
    with server.client() as client:
        answer = client.get(f"/api/v1/sessions/{tape.session}/overview")
    assert answer.status_code == 200 and len(answer.content) < limits.OVERVIEW_BYTES


def test_the_list_is_paged_and_filtered(server: Served) -> None:
    for number in range(5):
        two_spans(server.store, name=f"work {number}", tags=("even",) if number % 2 == 0 else ())
    told = _get(server, "/sessions?limit=2&offset=1", shapes_review.SessionList)
    assert told["total"] == 5 and len(told["sessions"]) == 2
    told = _get(server, "/sessions?tag=even", shapes_review.SessionList)
    assert told["total"] == 3 and all(row["tags"] == ["even"] for row in told["sessions"])
    told = _get(server, "/sessions?query=work+3", shapes_review.SessionList)
    assert [row["name"] for row in told["sessions"]] == ["work 3"]


def test_search_finds_a_note_and_says_where(server: Served) -> None:
    tape = two_spans(server.store)
    hit = _get(server, "/search?q=milk&kind=note", shapes.Hits)["hits"][0]
    assert (hit["session_id"], hit["at_ms"]) == (tape.session, 3_200)
    start, end = hit["marks"][0]
    assert hit["snippet"][start:end] == "milk"
    assert _get(server, "/search?q=%20", shapes.Hits) == {"hits": []}
    assert _get(server, "/search?q=milk&to=2000-01-01T00:00:00Z", shapes.Hits) == {"hits": []}


def test_a_hit_on_the_screen_names_shot_and_place(server: Served) -> None:
    tape = two_spans(server.store)
    shot = load(server.store, tape.session).distinct_shots[1].blob
    text = to_json(ScreenText(shot, (TextLine("a zeppelin", 0.1, 0.2, 0.3, 0.05),)))
    content = {"stage": "screen_text", "unit": "0", "items": [text]}
    add_artifacts(server.store, tape.session, [(ArtifactRef("screen_text", "0", "key", "", "made"), content)])
    hit = _get(server, "/search?q=zeppelin", shapes.Hits)["hits"][0]
    assert (hit["shot"], hit["at_ms"], hit["kind"]) == (shot, 3_200, "screen_text")
    assert hit["boxes"] == [{"x": 0.1, "y": 0.2, "w": 0.3, "h": 0.05}]
    lines = _get(server, f"/sessions/{tape.session}/shots/{shot}/text", shapes_review.ShotText)["lines"]
    assert lines[0]["text"] == "a zeppelin"
    with server.client() as client:
        refused = client.get("/api/v1/search", params={"q": "x", "from": "yesterday"})
    assert (refused.status_code, refused.json()["code"]) == (422, "usage")


def test_an_unforeseen_error_tells_nothing_of_the_inside(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("a secret path")

    monkeypatch.setattr(server.host, "status", fail)
    with server.client() as client:
        answer = client.get("/api/v1/status")
    assert answer.status_code == 500 and "secret" not in answer.text
    shapes.Problem.model_validate(answer.json())
    assert answer.headers["cache-control"] == "no-store" and "content-security-policy" in answer.headers


def test_media_is_what_was_written(server: Served) -> None:
    tape = two_spans(server.store)
    base = f"/api/v1/sessions/{tape.session}"
    with server.client() as client:
        table = client.get(f"{base}/playback").json()
        for span in table["spans"]:
            assert client.get(f"{base}/media/inits/{span['init']}").content.startswith(b"init %d" % span["span"])
        for segment in table["segments"]:
            parts = [data for (n, _), data in sorted(tape.fragments.items()) if n == segment["n"]]
            whole = client.get(f"{base}/media/segments/{segment['n']}")
            assert whole.content == b"".join(parts) and len(whole.content) == segment["bytes"]
            assert whole.headers["content-type"] == "video/mp4"
            for index, data in enumerate(parts):
                assert client.get(f"{base}/media/segments/{segment['n']}/fragments/{index}").content == data
        for missing in ("inits/9", "segments/99", "segments/0/fragments/99", "segments/0/fragments/-1"):
            assert client.get(f"{base}/media/{missing}").status_code == 404
        assert client.get(f"{base}/media/segments/x").json()["code"] == "usage"


def test_large_segments_are_streamed_whole(server: Served) -> None:
    tape = Tape(server.store)
    tape.fragment_bytes = 3 * 1024 * 1024
    tape.begin_span()
    tape.write(2)
    tape.end()
    with server.client() as client:
        answer = client.get(f"/api/v1/sessions/{tape.session}/media/segments/0")
    assert int(answer.headers["content-length"]) == 6 * 1024 * 1024
    assert answer.content == tape.fragments[0, 0] + tape.fragments[0, 1]


def test_live_playback_waits_for_what_is_new(server: Served) -> None:
    tape = Tape(server.store)
    tape.begin_span()
    tape.write(1, seal=False)
    path = f"/api/v1/sessions/{tape.session}/playback"
    with server.client() as client:
        first = client.get(path).json()
        assert first["live"] and first["tail"]["fragments"][0]["bytes"] == 2_000
        same = client.get(path, params={"after": first["version"], "wait_ms": 200}).json()
        assert same["version"] == first["version"]
        answers: list[dict[str, Any]] = []
        waiting = threading.Thread(
            target=lambda: answers.append(
                client.get(path, params={"after": first["version"], "wait_ms": 20_000}).json()
            )
        )
        waiting.start()
        tape.write(1, seal=False)
        waiting.join(15)
        assert len(answers[0]["tail"]["fragments"]) == 2
        fragment = f"/api/v1/sessions/{tape.session}/media/segments/0/fragments/1"
        growing = client.get(fragment).content
        tape.seal_segment()
        assert client.get(fragment).content == growing == tape.fragments[0, 1]
        tape.write(1)
        tape.end()
        ended = client.get(path, params={"after": answers[0]["version"], "wait_ms": 20_000}).json()
        assert ended["live"] is False and len(ended["segments"]) == 2
        rest = client.get(path, params={"segments_from": 1}).json()
        assert [segment["n"] for segment in rest["segments"]] == [1] and rest["version"] == ended["version"]
        assert ended["spans"][0]["media_end_ns"] == 3 * FRAGMENT_NS


def test_events_tell_status_and_changes(server: Served) -> None:
    tape = two_spans(server.store)
    with server.client() as client, client.stream("GET", "/api/v1/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert _next_event(lines) == ("status", server.host.told)
        server.call(lambda: server.host.feed.tell({"push": "status", "status": {"state": "recording"}}))
        assert _next_event(lines) == ("status", {"state": "recording"})
        server.call(lambda: server.host.feed.tell({"push": "session", "session": tape.session, "state": "completed"}))
        assert _next_event(lines) == ("sessions", {"id": tape.session})
        with server.client() as other:
            other.patch(f"/api/v1/sessions/{tape.session}", json={"name": "new"})
        assert _next_event(lines) == ("sessions", {"id": tape.session})


def _next_event(lines: Iterator[str]) -> tuple[str, dict[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            return name, json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


def test_events_tell_what_another_process_changed(server: Served) -> None:
    tape = two_spans(server.store)
    with server.client() as client, client.stream("GET", "/api/v1/events") as stream:
        lines = stream.iter_lines()
        _next_event(lines)
        with Library(server.store) as library:
            edit_session(library, tape.session, name="renamed")
        assert _next_event(lines) == ("sessions", {"id": tape.session})


def test_open_streams_do_not_hold_up_the_end(server: Served) -> None:
    with server.client() as client, client.stream("GET", "/api/v1/events") as stream:
        lines = stream.iter_lines()
        _next_event(lines)
        server.call(server.host.closing.set)
        assert [line for line in lines if line] == []


def test_edits_notes_and_deletion(server: Served) -> None:
    tape = two_spans(server.store, tags=("old", "kept"))
    path = f"/api/v1/sessions/{tape.session}"
    with server.client() as client:
        row = client.patch(path, json={"name": "renamed", "tags": ["kept", "new"], "description": "why"}).json()
        shapes_review.Row.model_validate(row)
        assert (row["name"], sorted(row["tags"])) == ("renamed", ["kept", "new"])
        made = client.post(f"{path}/notes", json={"text": "later " * 400, "at_ms": 1_234})
        assert made.status_code == 201 and made.json()["at_ms"] == 1_234
        overview = client.get(f"{path}/overview").json()
        assert overview["session"]["description"] == "why"
        assert [note["at_ms"] for note in overview["notes"]] == [1_234, 3_200]
        note = client.get(f"{path}/notes/{made.json()['id']}").json()
        assert note["text"] == ("later " * 400).strip()
        assert client.post(f"{path}/notes", json={"text": "now"}).json()["code"] == "usage"
        assert client.post(f"{path}/notes", json={"text": " ", "at_ms": 1}).json()["code"] == "usage"
        assert client.post(f"{path}/notes", json={"text": "x", "at_ms": 10**12}).json()["code"] == "usage"
        assert client.patch(path, json={"name": "x" * 300}).status_code == 422
        assert client.patch(path, json={"other": 1}).status_code == 422
        assert client.delete(path).json()["bytes_freed"] > 0
        assert client.get(f"{path}/overview").json()["code"] == "not_found"
        assert client.get("/api/v1/sessions").json()["total"] == 0


def test_a_note_now_goes_to_the_host(server: Served) -> None:
    tape = Tape(server.store)
    tape.begin_span()
    server.host.told = {**server.host.told, "state": "recording", "session": tape.session}
    path = f"/api/v1/sessions/{tape.session}"
    with server.client() as client:
        assert client.post(f"{path}/notes", json={"text": "hello"}).json() == {"id": "n", "at_ms": 1}
        assert client.post(f"{path}/notes", json={"text": "", "kind": "marker"}).json() == {"id": "m", "at_ms": 2}
        assert client.get(f"{path}/playback").json()["state"] == "recording"
    assert server.host.calls == [("note", "hello"), ("mark", "")]
    tape.writer.close()


def test_an_interrupted_session_is_resumed_or_completed_by_its_id(server: Served) -> None:
    session = two_spans(server.store).session
    with server.client() as client:
        for word in ("resume", "stop"):
            shapes.Status.model_validate(client.post(f"/api/v1/sessions/{session}/{word}").json())
            assert client.post(f"/api/v1/sessions/none/{word}").status_code == 404
    assert server.host.calls == [("resume", session), ("stop", session)]


def test_sound_alone_is_served_as_sound(server: Served) -> None:
    tape = Tape(server.store, track="audio.mix")
    tape.begin_span()
    tape.write(2)
    tape.end()
    told = _get(server, f"/sessions/{tape.session}/playback", shapes_review.Playback)
    assert [span["mime"] for span in told["spans"]] == [SOUND_MIME] and len(told["segments"]) == 1
    with server.client() as client:
        for path in ("inits/0", "segments/0", "segments/0/fragments/1"):
            answer = client.get(f"/api/v1/sessions/{tape.session}/media/{path}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mp4"), path
        assert answer.content == tape.fragments[0, 1]


def test_waveforms_come_from_levels_alone(server: Served) -> None:
    tape = Tape(server.store, track="audio.mic")
    tape.begin_span()
    for second in range(4):
        levels = Levels(0, bytes([second + 1]) * 20, bytes([100]) * 20, 0xFFFFF if second == 2 else 0)
        tape.writer.append(pack(levels, "audio.mic", second * NS_PER_S))
    tape.write(5)
    session = tape.end()
    told = _get(server, f"/sessions/{session}/peaks?track=audio.mic&from=0&to=4000&points=4", shapes_review.Peaks)
    (lane,) = told["tracks"]
    assert (lane["step_ms"], lane["peaks"], lane["voice"]) == (1000, [1, 2, 3, 4], [[2000, 3000]])
    with server.client() as client:
        for query in ("points=0", f"points={limits.PEAKS_POINTS_MAX + 1}", "from=9&to=3", "from=-1", "to=9" + "9" * 30):
            assert client.get(f"/api/v1/sessions/{session}/peaks?{query}").status_code in (400, 422), query
        assert client.get("/api/v1/sessions/none/peaks").status_code == 404


def test_an_unknown_kind_is_refused_and_the_kinds_are_named(server: Served) -> None:
    with server.client() as client:
        answer = client.get("/api/v1/search?q=x&kind=zzz")
        assert (answer.status_code, answer.json()["code"]) == (422, "usage")
        assert "screen_text" in answer.json()["remedy"]
        for kind in ("", *KINDS):
            assert client.get(f"/api/v1/search?q=x&kind={kind}").status_code == 200
    assert KINDS == COMMAND_KINDS


def test_enrichment_is_asked_for_and_the_worker_woken(server: Served) -> None:
    tape = two_spans(server.store)
    with server.client() as client:
        answer = client.post(f"/api/v1/sessions/{tape.session}/enrich")
        assert answer.status_code == 202 and answer.json()["job"]
        assert server.woken == 1
        assert client.post("/api/v1/sessions/none/enrich").status_code == 404
        overview = client.get(f"/api/v1/sessions/{tape.session}/overview").json()
        assert overview["session"]["enrichment"]["state"] == "running"


def test_errors_are_problem_details(server: Served) -> None:
    with server.client() as client:
        for path in ("/api/v1/sessions/none/overview", "/api/v1/none", f"/api/v1/sessions/{'0' * 26}/playback"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/problem+json"
            shapes.Problem.model_validate(answer.json())
        assert client.get("/api/v1/sessions?limit=0").status_code == 422
        assert client.put("/api/v1/status").status_code == 405


def test_openapi_names_every_route_with_its_shapes(server: Served) -> None:
    with server.client() as client:
        document = client.get("/api/v1/openapi.json").json()
    paths = document["paths"]
    assert "text/event-stream" in paths["/api/v1/events"]["get"]["responses"]["200"]["content"]
    assert (
        "video/mp4" in paths["/api/v1/sessions/{session_id}/media/segments/{n}"]["get"]["responses"]["200"]["content"]
    )
    proofs = document["components"]["securitySchemes"]
    assert (proofs["session"]["in"], proofs["session"]["name"]) == ("cookie", server.desk.cookie)
    assert proofs["token"]["scheme"] == "bearer"
    assert document["security"] == [{"session": []}, {"token": []}]
    open_paths = {path for path, methods in paths.items() if any(m.get("security") == [] for m in methods.values())}
    assert open_paths == {"/healthz", "/api/v1/sign-in"}
    for name in ("Overview", "Playback", "Items", "Hits", "Problem"):
        assert name in document["components"]["schemas"]
