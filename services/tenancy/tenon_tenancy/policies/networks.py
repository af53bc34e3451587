"""Networks in CIDR notation: which are valid, and their one form."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from tenon_policy.demands import Network

MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4 as IPv6 writes it (RFC 4291, 2.5.5.2)."""


def normal_network(text: str) -> str:
    """Return the network as it is stored; ValueError says what is wrong with it.

    A bare address is a network of one.
    """
    if "%" in text:
        raise ValueError("a zone (%) means nothing here")
    return str(_unmapped(ip_network(text.strip())))


def _unmapped(network: Network) -> Network:
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        address = network.network_address.ipv4_mapped
        assert address is not None, "it is one of the mapped ones"
        return IPv4Network((address, network.prefixlen - MAPPED.prefixlen))
    return network
