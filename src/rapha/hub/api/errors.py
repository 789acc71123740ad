"""Every refusal leaves as a Problem: a stable code, a sentence, what to do. Never a traceback, never a value."""

from typing import Any

import rfc8785
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from rapha import errors
from rapha.records.wire import Problem

_log = structlog.get_logger()


class NotIdentified(errors.NotPermitted):
    """It is not known who asks: 401, where NotPermitted is 403."""


class TooLarge(errors.RaphaError):
    """A body beyond its limit."""

    code = "too-large"


STATUS: tuple[tuple[type[errors.RaphaError], int], ...] = (
    (NotIdentified, 401),
    (errors.NotPermitted, 403),
    (errors.Conflict, 409),
    (TooLarge, 413),
    (errors.StudyError, 422),
    (errors.TrainingFailed, 422),
    (errors.EgressRefused, 422),
    (errors.Unproven, 422),
    (errors.Unreachable, 503),
    (errors.DiskFull, 507),
)
HINTS = {
    401: "send `Authorization: Bearer <token>`: a researcher's token, or one signed with an enrolled node's key",
    409: "look at the present state and decide again",
    503: "try again in a moment",
    507: "tell the hub's steward: its disk is full",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "Not a request that can be read",
        401: "It is not known who asks",
        403: "Not allowed, or not yours",
        409: "Not possible in the present state",
        413: "Too large",
        422: "Not as it should be",
        503: "The hub's database does not answer",
        507: "The hub's disk is full",
    }.items()
}
"""For the OpenAPI description of each route."""


def answer_with_problems(app: FastAPI) -> None:
    """Install the handlers."""

    @app.exception_handler(errors.RaphaError)
    def ours(_request: Request, error: errors.RaphaError) -> JSONResponse:
        return answer_to(error)

    @app.exception_handler(RequestValidationError)
    def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
        return problem(422, *_first_fault(error))

    @app.exception_handler(rfc8785.CanonicalizationError)
    def uncanonical(_request: Request, error: rfc8785.CanonicalizationError) -> JSONResponse:
        return answer_to(error)

    @app.exception_handler(HTTPException)
    def http(_request: Request, error: HTTPException) -> JSONResponse:
        words = {404: "not-found", 405: "method-not-allowed"}
        answer = problem(error.status_code, words.get(error.status_code, "malformed"), str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> JSONResponse:
        _log.error("unforeseen", method=request.method, path=request.url.path, exc_info=error)
        return problem(500, "internal", "the hub failed at this; its log says why")


def answer_to(error: errors.RaphaError | rfc8785.CanonicalizationError) -> JSONResponse:
    """What is answered where this was raised."""
    if isinstance(error, rfc8785.CanonicalizationError):
        return problem(422, "malformed", "a number in the body is too large to be written canonically")
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    return problem(status, str(getattr(error, "reason", error.code)), str(error))


def problem(status: int, code: str, message: str) -> JSONResponse:
    """The answer that carries a Problem."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    body = Problem(code=code, message=message, hint=HINTS.get(status))
    return JSONResponse(body.as_json(), status_code=status, headers=headers)


def _first_fault(error: RequestValidationError) -> tuple[str, str]:
    """Code and sentence of the first thing that is wrong: where it is and what was expected, not what was there."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    code = "not-yet-possible" if first["type"] == "not_yet" else "malformed"
    return code, f"{place}: {first['msg']}"
