"""Signing in and out: the printed address, the token form's request, the end of a browser session."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from pepys import limits
from pepys.web.answers import PROBLEMS, json_answer
from pepys.web.guard import SIGN_IN_API, session_cookie
from pepys.web.problems import problem_response
from pepys.web.services import Services, services
from pepys.web.shapes import Done, TokenIn
from pepys.web.static import Bundle

router = APIRouter(tags=["sign-in"])

_LOCAL_PATH: Final = re.compile(r"/(?:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*/?)?")


@router.get("/sign-in", include_in_schema=False)
async def sign_in_by_address(
    request: Request, service: Annotated[Services, Depends(services)], code: str = "", next: str = "/"
) -> Response:
    """Exchange the code of a sign-in address for a browser session; without a code, show the form."""
    bundle: Bundle = request.app.state.bundle
    if not code:
        return bundle.shell()
    target = next if _LOCAL_PATH.fullmatch(next) else "/"
    known = service.sign_in.is_session(session_cookie(request.headers, service.sign_in.cookie))
    # A code that was used leads on where the browser is signed in already: a reload is no error.
    if not service.sign_in.use_code(code):
        return _see_other(target) if known else bundle.shell(403)
    answer = _see_other(target)
    _set_cookie(answer, service)
    return answer


@router.post(SIGN_IN_API, response_model=Done, responses=PROBLEMS)
async def sign_in_by_token(body: TokenIn, service: Annotated[Services, Depends(services)]) -> Response:
    """Exchange the API token for a browser session; ten wrong ones a minute, no more."""
    verdict = service.sign_in.try_token(body.token.strip())
    if verdict is None:
        wait = str(limits.SIGN_IN_TRIES_NS // limits.NS_PER_S)
        return problem_response(429, "too_many_tries", "too many wrong tokens", "wait a minute", {"Retry-After": wait})
    if not verdict:
        return problem_response(401, "wrong_token", "this is not the token of this store", "run `pepys key token`")
    answer = json_answer({"ok": True})
    _set_cookie(answer, service)
    return answer


@router.post("/api/v1/sign-out", response_model=Done, responses=PROBLEMS)
async def sign_out(request: Request, service: Annotated[Services, Depends(services)]) -> Response:
    """End this browser session."""
    service.sign_in.close_session(session_cookie(request.headers, service.sign_in.cookie))
    answer = json_answer({"ok": True})
    answer.delete_cookie(service.sign_in.cookie, path="/", httponly=True, samesite="strict")
    return answer


def _set_cookie(answer: Response, service: Services) -> None:
    # No lifetime: the browser forgets it when it ends, and it is not written to its disk.
    answer.set_cookie(
        service.sign_in.cookie, service.sign_in.open_session(), path="/", httponly=True, samesite="strict"
    )


def _see_other(target: str) -> Response:
    return Response(status_code=303, headers={"Location": target})
