"""URLs that a tenant may give."""

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from tenon_outbound.addresses import is_public
from tenon_outbound.errors import AddressForbidden, UrlRefused

if TYPE_CHECKING:
    from yarl import URL

LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Destination:
    """Where something may be sent to: if `allowed`, whatever its address is."""

    url: "URL"
    allowed: bool


def destination(text: str, allowed: Collection[str] = ()) -> Destination:
    """Read a URL, and refuse one that nothing may be sent to; UrlRefused, AddressForbidden.

    Each `host:port` of `allowed` may have any address, and do without TLS. What a name resolves to
    is judged when it is connected to, and each time anew.
    """
    from yarl import URL  # with which it is sent; another reader may see another host

    if len(text) > LONGEST or not text.isascii() or not text.isprintable() or "\\" in text:
        raise UrlRefused(f"must be printable ASCII without backslashes, at most {LONGEST} long")
    try:
        url = URL(text)
        host, port = url.raw_host, url.port
    except ValueError:
        raise UrlRefused("is no URL") from None
    if not host or not port or url.raw_user or url.raw_password or "#" in text:
        raise UrlRefused("must have a host, and neither a user nor a fragment")
    if f"{host}:{port}" in allowed:
        return Destination(url, allowed=True)
    if url.scheme != "https":
        raise UrlRefused("must be https")
    if _is_address(host) and not is_public(host):
        raise AddressForbidden
    return Destination(url, allowed=False)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
