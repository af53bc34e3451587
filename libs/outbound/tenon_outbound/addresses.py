"""Which addresses are on the public internet.

`ipaddress.is_global` will not do: it takes `::ffff:100.64.0.1`, `64:ff9b::7f00:1` and
`2002:7f00:1::` for global on Python 3.11, and differs between versions. So an address within
another is unwrapped first, and the networks are named here (IANA's registries of special-purpose
addresses).
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

FORBIDDEN_4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # what Azure's machines ask about themselves
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
]
UNICAST_6 = IPv6Network("2000::/3")
FORBIDDEN_6 = [IPv6Network(one) for one in ("2001::/23", "2001:db8::/32", "3fff::/20")]
NAT64 = IPv6Network("64:ff9b::/96")
SIX_TO_FOUR = IPv6Network("2002::/16")
ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""The third quarter of an address whose last one is an IPv4 address (RFC 5214)."""


def is_public(text: str) -> bool:
    """Say whether an address, and each that is within it, is one of the public internet."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_public_4(address)
    inner = _within(address)
    if inner is not None and not _is_public_4(inner):
        return False
    return address in NAT64 or _is_public_6(address)


def _within(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to this one may end at."""
    number = int(address)
    if address in SIX_TO_FOUR:
        return IPv4Address(number >> 80 & 0xFFFFFFFF)
    if address in NAT64 or number >> 32 & 0xFFFFFFFF in ISATAP:
        return IPv4Address(number & 0xFFFFFFFF)
    return None


def _is_public_4(address: IPv4Address) -> bool:
    return not any(address in network for network in FORBIDDEN_4)


def _is_public_6(address: IPv6Address) -> bool:
    """Mapped and compatible addresses are outside of what is unicast, as are local ones."""
    if address.scope_id is not None or address not in UNICAST_6:
        return False
    return not any(address in network for network in FORBIDDEN_6)
