"""The two cookies that hold a browser's session, the one by which it is known again, and the one
that ties it to a log-in by a provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tenon_core import clock
from tenon_gateway.settings import GatewaySettings

DEVICE_SECONDS = 400 * 24 * 3_600
"""The longest that browsers keep a cookie."""
NAMES = ("access", "refresh", "device", "oidc")


@dataclass(frozen=True, slots=True)
class CookieNames:
    """`__Host-` names over https. Over http (loopback) the port is in the name instead, since
    cookies ignore ports and two systems may run side by side.
    """

    access: str
    refresh: str
    device: str
    flow: str
    secure: bool

    @classmethod
    def of(cls, settings: GatewaySettings) -> "CookieNames":
        if settings.secure:
            access, refresh, device, flow = (f"__Host-tenon_{name}" for name in NAMES)
        else:
            port = settings.public_port
            access, refresh, device, flow = (f"tenon_{name}_{port}" for name in NAMES)
        return cls(access, refresh, device, flow, secure=settings.secure)

    def keep(self, name: str, value: str, expires: datetime) -> tuple[bytes, bytes]:
        """Return the header that sets a cookie until it expires."""
        seconds = max(0, int((expires - clock.now()).total_seconds()))
        return self._header(name, value, seconds)

    def keep_device(self, token: str) -> tuple[bytes, bytes]:
        """Return the header that lets a browser be known again, whoever logs out meanwhile."""
        return self._header(self.device, token, DEVICE_SECONDS)

    def drop(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that clear the session's cookies."""
        return [self._header(self.access, "", 0), self._header(self.refresh, "", 0)]

    def drop_flow(self) -> tuple[bytes, bytes]:
        """Return the header that clears the cookie of a log-in by a provider."""
        return self._header(self.flow, "", 0)

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
