"""The two cookies that hold a browser's session."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tenon_core import clock
from tenon_gateway.settings import GatewaySettings


@dataclass(frozen=True, slots=True)
class CookieNames:
    """`__Host-` names over https. Over http (loopback) the port is in the name instead, since
    cookies ignore ports and two systems may run side by side.
    """

    access: str
    refresh: str
    secure: bool

    @classmethod
    def of(cls, settings: GatewaySettings) -> "CookieNames":
        if settings.secure:
            return cls("__Host-tenon_access", "__Host-tenon_refresh", secure=True)
        port = settings.public_port
        return cls(f"tenon_access_{port}", f"tenon_refresh_{port}", secure=False)

    def keep(self, name: str, value: str, expires: datetime) -> tuple[bytes, bytes]:
        """Return the header that sets a cookie until it expires."""
        seconds = max(0, int((expires - clock.now()).total_seconds()))
        return self._header(name, value, seconds)

    def drop(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that clear both cookies."""
        return [self._header(self.access, "", 0), self._header(self.refresh, "", 0)]

    def _header(self, name: str, value: str, seconds: int) -> tuple[bytes, bytes]:
        secure = "; Secure" if self.secure else ""
        text = f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
        return b"set-cookie", text.encode("latin-1")


def read_cookies(header: str) -> Mapping[str, str]:
    """Return the cookies of a Cookie header; of two with one name the first counts."""
    cookies: dict[str, str] = {}
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        cookies.setdefault(name, value)
    return cookies
