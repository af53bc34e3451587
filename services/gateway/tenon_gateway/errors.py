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


class NoSuchPath(Refusal):
    """There is no such thing here, or it is not yours to see."""

    status = 404
    code = NotFound.reason


class MethodNotAllowed(Refusal):
    """This path does not accept this method. The header Allow lists those that it accepts."""

    status = 405
    code = "method_not_allowed"


class MalformedRequest(Refusal):
    """The request is not valid HTTP or JSON. The detail says where."""

    status = 400
    code = "malformed_request"


class BodyTimeout(Refusal):
    """The body did not arrive in time."""

    status = 408
    code = "body_timeout"


class HeadersTooLarge(Refusal):
    """The request's headers are too large."""

    status = 431
    code = "headers_too_large"


class UnsupportedMediaType(Refusal):
    """This path does not accept the content type of the body. The detail names the right one."""

    status = 415
    code = "unsupported_media_type"


class CsrfRefused(Refusal):
    """The request may come from another site. Send it with an `Origin` header that is the public
    URL of the system, as its pages do, or with an `Authorization` header instead of cookies.
    """

    status = 403
    code = "csrf_refused"


class WrongHost(Refusal):
    """This page is not available at this host name. The detail names the right one."""

    status = 421
    code = "wrong_host"


class TwoCredentials(Refusal):
    """Send the session's cookie or an Authorization header, not both."""

    status = 400
    code = "two_credentials"


def method_not_allowed(allowed: tuple[str, ...]) -> Refusal:
    methods = ", ".join(allowed)
    return MethodNotAllowed(f"This path accepts only {methods}.", headers={"allow": methods})


def framing_too_large(max_bytes: int) -> Refusal:
    return MalformedRequest(
        f"The chunk extensions and trailers of the body take more than {max_bytes} bytes. "
        "Send the body without them."
    )


def unsupported_media_type(expected: str) -> Refusal:
    return UnsupportedMediaType(f"Send the body as {expected}.")


def csrf_refused(origin: str) -> Refusal:
    return CsrfRefused(
        f"The request may come from another site. Send it with the header Origin: {origin}, as the"
        " pages of this site do, or with an Authorization header instead of cookies."
    )


def wrong_host(public_url: str) -> Refusal:
    return WrongHost(f"This page is not available at this host name. Open {public_url}.")
