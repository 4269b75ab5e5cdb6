"""Search over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response

from pepys import limits
from pepys.clock import parse_rfc3339, rfc3339
from pepys.errors import Usage
from pepys.review.timespan import ms
from pepys.store.catalog import Catalog
from pepys.store.search import Hit
from pepys.web.answers import PROBLEMS, json_answer
from pepys.web.services import Services, services
from pepys.web.shapes import Hits

KINDS: Final = ("screen_text", "transcript", "note", "title", "summary")

router = APIRouter(prefix="/api/v1", tags=["search"], responses=PROBLEMS)


@router.get("/search", response_model=Hits)
async def search(
    service: Annotated[Services, Depends(services)],
    q: str = Query(max_length=limits.QUERY_CHARS),
    limit: int = Query(default=50, ge=1, le=limits.SEARCH_MAX),
    from_: str | None = Query(default=None, alias="from", max_length=40),
    to: str | None = Query(default=None, max_length=40),
    session: str | None = Query(default=None, max_length=26),
    kind: str | None = Query(default=None, max_length=32, json_schema_extra={"enum": list(KINDS)}),
    app: str | None = Query(default=None, max_length=limits.SESSION_NAME_CHARS),
    tag: str | None = Query(default=None, max_length=limits.TAG_CHARS),
) -> Response:
    """Hits in screen text, speech, notes, titles and summaries; an empty query has none."""
    if kind and kind not in KINDS:
        raise Usage(f"there is no kind {kind}", f"kinds are {', '.join(KINDS)}")
    filters: dict[str, Any] = {
        "session": session or None, "kind": kind or None, "app": app or None, "tag": tag or None,
        "from_ns": _time("from", from_), "to_ns": _time("to", to), "limit": limit,
    }  # fmt: skip
    if not q.strip():
        return json_answer({"hits": []})

    def look() -> list[Hit]:
        with Catalog(service.store) as catalog:
            catalog.refresh()
            return list(catalog.search(q, **filters))

    return json_answer({"hits": [_hit(hit) for hit in await service.readers.run(look)]})


def _hit(hit: Hit) -> dict[str, Any]:
    told: dict[str, Any] = {
        "session_id": hit.session,
        "session_name": hit.session_name,
        "kind": hit.kind,
        "at": rfc3339(hit.wall_ns),
        "at_ms": ms(hit.at_ns),
        "end_ms": ms(hit.end_ns),
        "snippet": hit.snippet,
        "marks": [list(mark) for mark in hit.marks],
    }
    if hit.boxes:
        told["boxes"] = [dict(zip("xywh", box, strict=True)) for box in hit.boxes]
    if hit.shot:
        told["shot"] = hit.shot
    return told


def _time(name: str, text: str | None) -> int | None:
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise Usage(f"{name} is no RFC 3339 time: {text}", "write it like 2030-01-31T09:00:00Z") from error
