"""The two cookies that hold a browser's session, the one by which it is known again, and those
that tie it to its log-ins by a provider, one each.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tenon_core import clock
from tenon_gateway.settings import GatewaySettings

DEVICE_SECONDS = 400 * 24 * 3_600
"""The longest that browsers keep a cookie."""
NAMES = ("access", "refresh", "device", "oidc")
MAX_FLOWS = 5
"""Log-ins by a provider that one browser may have begun and not finished."""
FLOW_CHARS = 16


@dataclass(frozen=True, slots=True)
class CookieNames:
    """`__Host-` names over https. Over http (loopback) the port is in the name instead, since
    cookies ignore ports and two systems may run side by side.
    """

    access: str
    refresh: str
    device: str
    flow_prefix: str
    secure: bool

    @classmethod
    def of(cls, settings: GatewaySettings) -> "CookieNames":
        if settings.secure:
            access, refresh, device, flow = (f"__Host-tenon_{name}" for name in NAMES)
        else:
            port = settings.public_port
            access, refresh, device, flow = (f"tenon_{name}_{port}" for name in NAMES)
        return cls(access, refresh, device, f"{flow}_", secure=settings.secure)

    def flow(self, state: str) -> str:
        """Return the name of the cookie of the flow that has this state."""
        digest = hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()
        return self.flow_prefix + digest[:FLOW_CHARS]

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

    def drop_flow(self, state: str) -> tuple[bytes, bytes]:
        """Return the header that clears the cookie of one log-in by a provider."""
        return self._header(self.flow(state), "", 0)

    def drop_surplus_flows(self, cookies: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        """Return the headers that make room for another flow: browsers send the oldest cookie
        first (RFC 6265, 5.4).
        """
        running = [name for name in cookies if name.startswith(self.flow_prefix)]
        return [self._header(name, "", 0) for name in running[: -(MAX_FLOWS - 1)]]

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
