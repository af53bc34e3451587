"""Rate limits: which rules a request is charged to, and what its headers say of them.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10.
"""

import hashlib
import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from tenon_core.errors import TenonError
from tenon_gateway.pipeline.reply import Header
from tenon_gateway.problems import http_status
from tenon_gateway.settings import FAILURES_ONLY, Rate, RateClass
from tenon_policy.api_keys import KeyScope
from tenon_policy.grants import GrantKey, MemberKey, SessionKey

SECOND_US = 1_000_000
IPV6_SITE_BITS = 64
"""One subscriber holds a whole /64, so that is what is counted."""
CLIENT_BYTES = 16
LOCAL_COUNTERS = 100_000
CLIENT_ERRORS = range(400, 500)
OVERLOADED = "too_many_log_ins"
"""The reason of a refusal before anything was checked: the client did nothing wrong."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A GCRA in microseconds: one request per interval, a backlog up to the capacity."""

    name: str
    count: int
    seconds: int
    interval_us: int
    capacity_us: int

    @classmethod
    def of(cls, name: str, rate: Rate) -> "Rule":
        interval_us = max(1, rate.seconds * SECOND_US // rate.count)
        return cls(name, rate.count, rate.seconds, interval_us, rate.count * interval_us)

    @property
    def policy(self) -> str:
        return f'"{self.name}";q={self.count};w={self.seconds}'

    def state(self, backlog_us: int) -> str:
        """Say how many requests are left now, and in how many seconds all will be again."""
        left = max(0, (self.capacity_us - backlog_us) // self.interval_us)
        return f'"{self.name}";r={left};t={math.ceil(backlog_us / SECOND_US)}'


class Limit(NamedTuple):
    """A rule applied to somebody; `key` is the Redis key of their counter.

    With `grant` it is charged only where that is known to be given: nobody uses up the requests of
    an organization that they do not belong to. Without `charged` it is only checked.
    """

    rule: Rule
    key: str
    grant: GrantKey | None = None
    charged: bool = True


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one class, by whom they count."""

    name: str
    ip: Rule | None
    user: Rule | None
    org: Rule | None
    session: Rule | None
    away: Rule | None
    failures_only: bool

    @classmethod
    def of(cls, name: str, numbers: RateClass) -> "Rules":
        def rule(by: str, rate: Rate | None) -> Rule | None:
            return None if rate is None else Rule.of(f"{name}-{by}", rate)

        return cls(
            name,
            rule("ip", numbers.ip),
            rule("user", numbers.user),
            rule("org", numbers.org),
            rule("session", numbers.session),
            rule("ip", numbers.away),
            name in FAILURES_ONLY,
        )

    def for_client(self, client: str, refresh_token: str = "") -> list[Limit]:
        """Return the limits of an address, and of the session whose refresh token is presented.

        `refresh_token` is a hash of it, so nobody without the token uses up its requests.
        """
        limits = self._limits(self.ip, client)
        if self.session and refresh_token:
            limits.append(Limit(self.session, f"limit:{self.session.name}:{refresh_token}"))
        return limits

    def for_user(self, user: object, member: MemberKey | None) -> list[Limit]:
        limits = self._limits(self.user, user)
        if self.org and member:
            limits.append(Limit(self.org, f"limit:{self.org.name}:{member.org_id}", member))
        return limits

    def for_key(self, key: KeyScope, secret: SessionKey) -> list[Limit]:
        """Return the limits of an API key: its own, and its organization's whatever it asks for,
        as long as its secret is good.
        """
        limits = self._limits(self.user, key.key_id)
        if self.org:
            limits.append(Limit(self.org, f"limit:{self.org.name}:{key.org_id}", secret))
        return limits

    def _limits(self, rule: Rule | None, principal: object) -> list[Limit]:
        if rule is None:
            return []
        return [Limit(rule, f"limit:{rule.name}:{principal}", charged=not self.failures_only)]


class Clients:
    """Names clients by a keyed hash of their addresses: Redis keeps personal data of nobody."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def name(self, address: str) -> str:
        return self._hash(site(address))

    def session(self, refresh_token: str) -> str:
        """Name the session of a refresh token."""
        return self._hash(refresh_token) if refresh_token else ""

    def _hash(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), hashlib.sha256)[:CLIENT_BYTES].hex()


class LocalCounters:
    """GCRA counters of this process, for limits that must hold while Redis is away."""

    def __init__(self) -> None:
        self._free_at: OrderedDict[str, float] = OrderedDict()

    def check(self, rule: Rule, key: str) -> int:
        """Return the microseconds to wait until a request may be charged; 0 if it may be now."""
        now = time.monotonic_ns() // 1_000
        free_at = max(now, self._free_at.get(key, now)) + rule.interval_us
        return int(max(0, free_at - now - rule.capacity_us))

    def charge(self, rule: Rule, key: str) -> int:
        """Charge a request; return the microseconds to wait, 0 if it was charged."""
        wait = self.check(rule, key)
        if wait > 0:
            return wait
        now = time.monotonic_ns() // 1_000
        self._free_at[key] = max(now, self._free_at.get(key, now)) + rule.interval_us
        self._free_at.move_to_end(key)
        if len(self._free_at) > LOCAL_COUNTERS:
            self._free_at.popitem(last=False)
        return 0


def is_failure(status: int, error: Exception | None) -> bool:
    """Return whether a reply counts where only failures do. A page may be redirected with an error
    that the client caused, too.
    """
    if isinstance(error, TenonError):
        return http_status(error.code, error.reason) in CLIENT_ERRORS and error.reason != OVERLOADED
    return status in CLIENT_ERRORS


def limit_headers(backlogs: Sequence[tuple[Limit, int]]) -> list[Header]:
    """Return RateLimit-Policy and RateLimit for these limits and their backlogs (µs)."""
    if not backlogs:
        return []
    return [
        (b"ratelimit-policy", _list(limit.rule.policy for limit, _ in backlogs)),
        (b"ratelimit", _list(limit.rule.state(backlog) for limit, backlog in backlogs)),
    ]


def _list(items: Iterable[str]) -> bytes:
    return ", ".join(items).encode("ascii")


def site(address: str) -> str:
    """Return what is counted of an address: all of IPv4, the /64 of IPv6."""
    if ":" not in address:
        return address
    parsed = ip_address(address.partition("%")[0])
    assert isinstance(parsed, IPv6Address)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    network = int(parsed) >> IPV6_SITE_BITS << IPV6_SITE_BITS
    return f"{IPv6Address(network)}/{IPV6_SITE_BITS}"
