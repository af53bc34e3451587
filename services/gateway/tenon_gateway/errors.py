"""Every error of the gateway's own; what only HTTP knows is a `Refusal`."""

from tenon_core.errors import Code, LimitError, NotFound, TenonError
from tenon_gateway.problems import Refusal


class RateLimited(TenonError):
    """Too many requests. Wait as long as Retry-After says."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "rate_limited"


class BodyTooLarge(TenonError):
    """The body is larger than this request may be."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "body_too_large"


class UploadTooLarge(TenonError):
    """The file is larger than an upload may be."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "upload_too_large"


class GatewayBusy(LimitError):
    """The gateway holds as many bytes of bodies as it may. Wait as long as Retry-After says, then
    try again.
    """

    code = Code.UNAVAILABLE
    reason = "gateway_busy"
    advice = "Wait as long as Retry-After says, then try again."


class ClientGone(Exception):
    """The client closed the connection before its request was whole; nobody waits for a reply."""


def no_such_path() -> Refusal:
    return Refusal(404, "not_found", NotFound.message())


def method_not_allowed(allowed: tuple[str, ...]) -> Refusal:
    methods = ", ".join(allowed)
    return Refusal(
        405, "method_not_allowed", f"This path knows only {methods}.", {"allow": methods}
    )


def malformed_request(detail: str) -> Refusal:
    return Refusal(400, "malformed_request", detail)


def body_timeout() -> Refusal:
    return Refusal(408, "body_timeout", "The body did not arrive in time.")


def head_too_large() -> Refusal:
    return Refusal(431, "headers_too_large", "The request's headers are too large.")


def framing_too_large(max_bytes: int) -> Refusal:
    return malformed_request(
        f"The chunk extensions and trailers of the body take more than {max_bytes} bytes. "
        "Send the body without them."
    )


def unsupported_media_type(expected: str) -> Refusal:
    return Refusal(415, "unsupported_media_type", f"Send the body as {expected}.")


def csrf_refused() -> Refusal:
    return Refusal(
        403,
        "csrf_refused",
        "This request may come from another site. Send it from a page of this one, "
        "or with an Authorization header instead of cookies.",
    )


def wrong_host(public_url: str) -> Refusal:
    return Refusal(
        421, "wrong_host", f"This page is not available at this host name. Open {public_url}."
    )


def two_credentials() -> Refusal:
    return Refusal(
        400, "two_credentials", "Send the session's cookie or an Authorization header, not both."
    )
