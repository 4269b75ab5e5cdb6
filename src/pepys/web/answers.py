"""Small pieces that routes answer with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi import Response

from pepys.web.shapes import Problem

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    "default": {"model": Problem, "description": "A problem, as RFC 9457 has it"}
}


def json_answer(value: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON response, written compactly and sent as it is: shapes are held by tests, not checked at each request."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(body, status, media_type="application/json")


def bytes_of(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entry of an answer that is no JSON."""
    return {200: {"content": {media_type: {}}, "description": description}}
