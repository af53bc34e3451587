"""How often a password may be guessed: counted before it is checked, in one step.

Guesses count by the account, and by the network that they come from. On a device that its owner
has logged in on they count by that device instead: so whoever guesses from elsewhere, or from
next door, locks no owner out. A counter is a GCRA: the moment (µs) when its guesses are worked off.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tenon_auth.errors import TooManyGuesses
from tenon_crypto.blind_index import BlindIndex

SECOND_US = 1_000_000
REDIS_TIMEOUT_SECONDS = 0.5
AWAY_SECONDS = 1.0
"""How long Redis is left alone after it has failed to answer."""
AWAY_SHARE = 4
"""Without Redis each process counts for itself, so it allows a quarter."""
LOCAL_COUNTERS = 100_000
NETWORK_BITS = {4: 24, 6: 48}
"""What one attacker easily has many addresses of."""

REFUSED = Counter("tenon_auth_guesses_refused", "Passwords not checked, for too many were")

log = structlog.get_logger()

# KEYS: counters. ARGV: for each, the microseconds that a guess takes, and those allowed.
# Charges a guess to all of them, or to none; returns the microseconds to wait.
CHARGE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local free_at, wait = {}, 0
for i, key in ipairs(KEYS) do
  free_at[i] = math.max(now, tonumber(redis.call('GET', key)) or now) + ARGV[2 * i - 1]
  wait = math.max(wait, free_at[i] - now - ARGV[2 * i])
end
if wait == 0 then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.0f', free_at[i]),
               'PX', math.ceil((free_at[i] - now) / 1000))
  end
end
return wait
"""

# ARGV: the microseconds that a guess takes, for each counter. Takes a guess back.
REFUND = """
for i, key in ipairs(KEYS) do
  local free_at, left = tonumber(redis.call('GET', key)), redis.call('PTTL', key)
  if free_at and left > 0 then
    redis.call('SET', key, string.format('%.0f', free_at - ARGV[i]), 'PX', left)
  end
end
"""


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many guesses at once, and then one for each `seconds / count`."""

    count: int
    seconds: int

    @property
    def interval_us(self) -> int:
        return self.seconds * SECOND_US // self.count

    @property
    def capacity_us(self) -> int:
        return self.count * self.interval_us

    def without_redis(self) -> "Allowance":
        return Allowance(max(1, self.count // AWAY_SHARE), self.seconds)


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter by its key, and what it allows."""

    key: str
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class Charge:
    """A guess that was counted; `here` in this process, for Redis did not answer."""

    counters: Sequence[Counted]
    here: bool


class GuessLimiter:
    """Lets a password be checked, or not; without Redis by stricter counters of this process."""

    def __init__(
        self, redis: Redis, networks: BlindIndex, *, account: Allowance, network: Allowance
    ) -> None:
        """`networks` names networks in Redis, which keeps nobody's address."""
        self._redis = redis
        self._networks = networks
        self._account = account
        self._network = network
        self._retry_at = 0.0
        self._local: OrderedDict[str, float] = OrderedDict()

    async def counters(self, account: bytes, ip_address: str, device: bytes) -> list[Counted]:
        """Return what a guess counts for.

        `account` is the keyed hash of an address, whether or not anybody has it; `device` names
        one that its owner has logged in on, and is empty on any other.
        """
        counted = [Counted(f"guesses:account:{account.hex()}:{device.hex()}", self._account)]
        if ip_address and not device:  # of a known one, neighbours' guesses say nothing
            term, *_ = await self._networks.terms(_network(ip_address).encode())
            counted.append(Counted(f"guesses:network:{term.digest.hex()}", self._network))
        return counted

    async def charge(self, counters: Sequence[Counted]) -> Charge:
        """Count a guess before it is checked; TooManyGuesses."""
        numbers = [
            number
            for counter in counters
            for number in (counter.allowance.interval_us, counter.allowance.capacity_us)
        ]
        wait_us, here = await self._ask(CHARGE, counters, numbers), False
        if wait_us is None:
            wait_us, here = self._charge_here(counters), True
        if wait_us > 0:
            REFUSED.inc()
            raise TooManyGuesses(retry_after=wait_us / SECOND_US)
        return Charge(counters, here)

    async def refund(self, charge: Charge) -> None:
        """Take a guess back that was none, where it was counted."""
        if charge.here:
            for counter in charge.counters:
                if counter.key in self._local:
                    self._local[counter.key] -= counter.allowance.without_redis().interval_us
        else:
            intervals = [counter.allowance.interval_us for counter in charge.counters]
            await self._ask(REFUND, charge.counters, intervals)

    async def _ask(
        self, script: str, counters: Sequence[Counted], numbers: Sequence[int]
    ) -> int | None:
        """Return what the script does; None if Redis does not answer."""
        if time.monotonic() < self._retry_at:
            return None
        keys = [counter.key for counter in counters]
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                return int(await self._redis.eval(script, len(keys), *keys, *numbers) or 0)
        except (RedisError, OSError, TimeoutError) as error:
            self._retry_at = time.monotonic() + AWAY_SECONDS
            log.warning("redis does not answer; guesses are counted here", error=repr(error))
            return None

    def _charge_here(self, counters: Sequence[Counted]) -> int:
        now = time.monotonic_ns() // 1_000
        free_at, wait = {}, 0
        for counter in counters:
            allowance = counter.allowance.without_redis()
            free_at[counter.key] = max(now, self._local.get(counter.key, now))
            free_at[counter.key] += allowance.interval_us
            wait = max(wait, int(free_at[counter.key]) - now - allowance.capacity_us)
        if wait == 0:
            self._local.update(free_at)
            while len(self._local) > LOCAL_COUNTERS:
                self._local.popitem(last=False)
        return wait


def _network(address: str) -> str:
    """Return the network of an address; what is none stands for itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return str(ip_network((parsed, NETWORK_BITS[parsed.version]), strict=False))
