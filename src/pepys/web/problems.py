"""Errors as the API says them: RFC 9457 problem details with pepys' own code and remedy.

Owns the one shape of every error response and the HTTP status of each typed error. An error that nobody foresaw is
answered without its text, which may hold a path or a name.
"""

from __future__ import annotations

import json
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pepys import errors

MEDIA_TYPE: Final = "application/problem+json"

_STATUS: Final[dict[type[errors.PepysError], int]] = {
    errors.Usage: 422,
    errors.NotFound: 404,
    errors.DeviceMissing: 409,
    errors.KeyProblem: 500,
    errors.PermissionMissing: 409,
    errors.StorageProblem: 507,
    errors.Damaged: 500,
    errors.BudgetExceeded: 402,
    errors.Busy: 409,
    errors.AtRemote: 503,
    errors.Partial: 500,
    errors.Interrupted: 409,  # a countdown that was stopped
}
_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_TITLES: Final = {
    400: "Bad request", 401: "Sign in first", 402: "The budget is spent", 403: "Refused", 404: "Not found",
    405: "Method not allowed", 409: "Not possible now", 413: "Too large", 415: "Not of a kind that is read here",
    416: "Range not satisfiable", 422: "Not understood", 429: "Too many tries", 500: "Failed", 503: "Not available now",
    507: "The storage fails",
}  # fmt: skip


def problem(status: int, code: str, detail: str, remedy: str = "") -> dict[str, str | int]:
    """The members of a problem document."""
    title = _TITLES.get(status, "Failed")
    return {
        "type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, "remedy": remedy,
    }  # fmt: skip


def problem_response(
    status: int, code: str, detail: str, remedy: str = "", headers: dict[str, str] | None = None
) -> Response:
    """A problem document as a response."""
    body = json.dumps(problem(status, code, detail, remedy), ensure_ascii=False).encode()
    return Response(body, status, headers, MEDIA_TYPE)


def status_of(error: errors.PepysError) -> int:
    """The HTTP status that says the same as the error's exit code."""
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


def install(app: FastAPI) -> None:
    """Let every error of the application leave as a problem document."""

    async def typed(_: Request, error: Exception) -> Response:
        assert isinstance(error, errors.PepysError)
        return problem_response(status_of(error), error.code, error.message, error.remedy)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem_response(422, "usage", f"{where}: {first['msg']}", "see /api/v1/openapi.json")

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _CODES.get(error.status_code, "http_error")
        headers = dict(error.headers or {})
        return problem_response(error.status_code, code, str(error.detail), headers=headers)

    async def unforeseen(_: Request, error: Exception) -> Response:
        return problem_response(500, "unexpected", f"unexpected {type(error).__name__}", "see the daemon's log")

    app.add_exception_handler(errors.PepysError, typed)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unforeseen)
