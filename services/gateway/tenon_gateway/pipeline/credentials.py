"""What a request carries to say who sends it, and whether a browser was led into sending it."""

from tenon_core.settings import LOOPBACK_NAMES
from tenon_gateway.cookies import CookieNames
from tenon_gateway.errors import TwoCredentials, csrf_refused
from tenon_gateway.pipeline.exchange import Exchange
from tenon_gateway.settings import GatewaySettings

BEARER = "bearer "


class Credentials:
    """Reads credentials by the rules of one public URL."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._names = CookieNames.of(settings)
        self._origins = allowed_origins(settings)
        self._public_origin = f"{settings.url.scheme}://{settings.url.netloc}"

    def token(self, exchange: Exchange) -> str | None:
        """Return the access token, of whichever kind; Refusal if it comes twice or by CSRF."""
        bearer = _bearer(exchange)
        held = self._is_held(exchange)
        if bearer is not None:
            if held:
                raise TwoCredentials
            return bearer
        if not exchange.reads:
            self._require_same_site(exchange, held=held)
        return (exchange.cookies.get(self._names.access) or None) if held else None

    def refresh_token(self, exchange: Exchange) -> str:
        """Return the refresh token of the cookie, unchecked; "" without one."""
        return exchange.cookies.get(self._names.refresh, "")

    def _is_held(self, exchange: Exchange) -> bool:
        cookies = exchange.cookies
        return self._names.access in cookies or self._names.refresh in cookies

    def _require_same_site(self, exchange: Exchange, *, held: bool) -> None:
        """Refuse what a foreign page may have sent. A client that says nothing of pages is no
        browser: it passes where it brings no cookie.
        """
        site = exchange.header(b"sec-fetch-site")
        origin = exchange.header(b"origin")
        if site == "same-origin" or origin.lower() in self._origins:
            return
        if held or site or origin:
            raise csrf_refused(self._public_origin)


def allowed_origins(settings: GatewaySettings) -> frozenset[str]:
    """Return the origins of our own pages: over http, any name of loopback at our port."""
    url = settings.url
    names = {url.hostname or ""}
    if not settings.secure and settings.environment == "development":
        names |= LOOPBACK_NAMES
    usual = 443 if settings.secure else 80
    port = "" if settings.public_port == usual else f":{settings.public_port}"
    return frozenset(f"{url.scheme}://{_bracketed(name)}{port}" for name in names)


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _bearer(exchange: Exchange) -> str | None:
    """Return the token of an Authorization header; another scheme is no token of ours."""
    header = exchange.header(b"authorization")
    if not header:
        return None
    if header[: len(BEARER)].lower() != BEARER:
        return ""
    return header[len(BEARER) :].strip()
