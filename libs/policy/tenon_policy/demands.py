"""What an organization demands of whoever works in it: second factors, log-ins of late, networks.

Its policies have a version, which is the level of a hot copy as a role is (`grants.py`), so a
request learns from Redis whether anything changed. What a version says never changes: a process
asks tenancy for it once, and remembers it.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Protocol, TypeAlias
from uuid import UUID

from tenon_core.coalescing import Coalescer
from tenon_core.errors import Unavailable

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

AS_MADE = 1
"""The version of an organization that has never set a policy: it demands nothing."""
MAX_KEPT = 2_000
SECOND_FACTORS = frozenset({"mfa", "otp", "pop", "recovery_code"})
"""Any of these among the methods of a log-in (`amr`) shows a second factor. A passkey alone is one
too: it asks its holder for more than having it."""


@dataclass(frozen=True, slots=True)
class Demands:
    """What one version says; 0 seconds and no networks demand nothing."""

    version: int
    mfa: bool = False
    session_seconds: int = 0
    networks: tuple[Network, ...] = ()

    def admits(self, address: str) -> bool:
        """Say whether a client's address is in one of the networks; what is no address is in none.

        Of the two ways to write an IPv4 address, `::ffff:192.0.2.1` is judged as `192.0.2.1`.
        """
        if not self.networks:
            return True
        try:
            parsed = unmapped(ip_address(address))
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)


NOTHING = Demands(AS_MADE)


def shows_second_factor(methods: AbstractSet[str]) -> bool:
    """Say whether somebody who proved by these methods who they are had a second factor."""
    return bool(SECOND_FACTORS & methods)


class DemandOwner(Protocol):
    """Tenancy, which knows for certain."""

    async def demands(self, org_ids: Sequence[UUID]) -> Sequence[Demands]: ...


class DemandBook:
    """What this process remembers of the organizations' demands, the newest that it was told."""

    def __init__(self, owner: DemandOwner) -> None:
        self._owner = owner
        self._known: OrderedDict[UUID, Demands] = OrderedDict()
        self._asked = Coalescer[tuple[UUID, int], Demands](self._load)

    async def get(self, org_id: UUID, version: int) -> Demands:
        """Return what an organization demands in this version, or in a newer one; Unavailable."""
        if version <= AS_MADE:
            return NOTHING
        known = self._known.get(org_id)
        if known is None or known.version < version:
            # By version, so that nobody waits for a question that was asked before the change.
            known = await self._asked.get((org_id, version))
        return known

    async def ask(self, org_ids: Sequence[UUID]) -> Mapping[UUID, Demands]:
        """Ask the owner; of what is no organization the version is 0."""
        found = dict(zip(org_ids, await self._owner.demands(org_ids), strict=True))
        self._note(found)
        return found

    async def _load(self, keys: Sequence[tuple[UUID, int]]) -> Mapping[tuple[UUID, int], Demands]:
        found = await self.ask(list(dict.fromkeys(org_id for org_id, _ in keys)))
        if any(demands.version < AS_MADE for demands in found.values()):
            raise Unavailable  # somebody else knows of policies, so they are not to be passed over
        return {(org_id, version): found[org_id] for org_id, version in keys}

    def _note(self, found: Mapping[UUID, Demands]) -> None:
        for org_id, demands in found.items():
            known = self._known.get(org_id, NOTHING)
            if demands.version > known.version:
                self._known[org_id] = demands
                self._known.move_to_end(org_id)
        while len(self._known) > MAX_KEPT:
            self._known.popitem(last=False)


def unmapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, if it does."""
    return getattr(address, "ipv4_mapped", None) or address
