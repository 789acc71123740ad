"""What a hub's refusals and silences mean: one error of the tree for each."""

import httpx2
from pydantic import ValidationError

from rapha.errors import (
    ConfigurationError,
    Conflict,
    DiskFull,
    NotPermitted,
    NotYetPossible,
    RaphaError,
    StudyError,
    Unproven,
    Unreachable,
)
from rapha.records.wire import Problem

_BY_CODE: dict[str, type[RaphaError]] = {
    kind.code: kind
    for kind in (
        StudyError,
        NotYetPossible,
        ConfigurationError,
        Unreachable,
        NotPermitted,
        Unproven,
        DiskFull,
        Conflict,
    )
}
_BY_STATUS: dict[int, type[RaphaError]] = {401: NotPermitted, 403: NotPermitted, 409: Conflict, 422: StudyError}


def refusal(answer: httpx2.Response, where: str) -> RaphaError:
    """The error that a hub's answer stands for; `answer` is read and not a success."""
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError:
        return _foreign(answer.status_code, where)
    kind = _BY_CODE.get(problem.code) or _by_status(answer.status_code)
    hint = f"; {problem.hint}" if problem.hint else ""
    return kind(f"{where}: {problem.message.rstrip('.')}{hint}")


def silence(error: httpx2.TransportError, where: str) -> Unreachable:
    """The error for a hub that did not answer, or cut the line."""
    reason = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return Unreachable(
            f"{where}: its certificate is not signed by anybody known here; name its certificate authority with --ca"
        )
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return Unreachable(
                f"nobody answers at {where}; check the address, and whether the hub runs (`rapha hub run`)"
            )
        case httpx2.TimeoutException():
            return Unreachable(f"{where} was too slow to answer; try again, and see `rapha doctor`")
        case httpx2.ProxyError():
            return Unreachable(f"the proxy on the way to {where} refused; check HTTPS_PROXY and NO_PROXY")
        case httpx2.RemoteProtocolError() | httpx2.ReadError() if where.startswith("https://"):
            return Unreachable(
                f"{where} cut the line ({type(error).__name__}); try again, or, where it asks for a certificate, "
                "name the PEM file of yours and its key in RAPHA_CERTIFICATE"
            )
        case _:
            return Unreachable(f"{where} cut the line ({type(error).__name__}); try again")


def _by_status(status: int) -> type[RaphaError]:
    return Unreachable if status >= 500 else _BY_STATUS.get(status, RaphaError)


def _foreign(status: int, where: str) -> RaphaError:
    """An answer that no hub wrote: something between here and there did."""
    return _by_status(status)(
        f"{where} answered {status} without saying why; is a Rapha hub at this address, or a proxy before it?"
    )
