"""Who is let in: identity, the gate, and the policies of what the route calls."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Literal
from uuid import UUID

from tenon_core.coalescing import Coalescer
from tenon_core.errors import DeadlineExceeded, Unauthenticated
from tenon_core.ids import parse_id
from tenon_gateway.errors import RateLimited
from tenon_gateway.metrics import RATE_LIMITED, WITHOUT_REDIS
from tenon_gateway.pipeline.api_keys import ApiKeys
from tenon_gateway.pipeline.credentials import Credentials
from tenon_gateway.pipeline.entries import Entry
from tenon_gateway.pipeline.exchange import Exchange
from tenon_gateway.pipeline.gate import Answer, Gate, Question, RedisAway
from tenon_gateway.pipeline.limits import (
    SECOND_US,
    Clients,
    Limit,
    LocalCounters,
    Rules,
    is_failure,
    limit_headers,
)
from tenon_policy.api_keys import is_secret
from tenon_policy.authorization import (
    require_network,
    require_proof,
    require_recent,
    require_role,
    require_scope,
    require_session,
)
from tenon_policy.demands import NOTHING, Demands
from tenon_policy.grants import (
    REUSE_SECONDS,
    DemandsKey,
    GrantKey,
    Grants,
    MemberKey,
    NobodyKnows,
    SessionKey,
)
from tenon_policy.policies import Role
from tenon_policy.tags import expand
from tenon_policy.tokens import TokenVerifier


class Admission:
    """Lets a request in or raises why not; nothing of its body has been read by then."""

    def __init__(
        self,
        credentials: Credentials,
        verifier: TokenVerifier,
        api_keys: ApiKeys,
        gate: Gate,
        grants: Grants,
        clients: Clients,
        mode: Literal["enforce", "shadow"],
        seconds: float,
    ) -> None:
        """Let requests in; what the owners are asked for takes no longer than `seconds`."""
        self._credentials = credentials
        self._verifier = verifier
        self._api_keys = api_keys
        self._gate = gate
        self._grants = grants
        self._clients = clients
        self._mode = mode
        self._seconds = seconds
        self._counters = LocalCounters()
        # One for each owner: whoever needs only the one is not refused because of the other.
        self._owned = {
            kind: Coalescer[GrantKey, int](self._ask_owners, reuse_seconds=REUSE_SECONDS)
            for kind in (SessionKey, MemberKey, DemandsKey)
        }

    async def admit(self, exchange: Exchange, entry: Entry) -> Sequence[bytes] | None:
        """Set the exchange's identity and role.

        Returns the versions of the entry's tags; None if they are not known, so that nothing may
        be taken from a cache.
        """
        if entry.rules is None:
            return None
        token = self._credentials.token(exchange)
        if entry.in_session and token is not None and is_secret(token):
            token = await self._exchanged(exchange, entry.rules, token)
        refusal = await self._identify(exchange, token) if entry.in_session else None
        question = self._question(exchange, entry, entry.rules)
        answer = await self._answer(exchange, question, entry.rules)
        self._charge(exchange, entry.rules, answer)
        if entry.rules.failures_only:
            exchange.before_reply = partial(self._count_failure, exchange, entry.rules, question)
        if refusal is not None:
            raise refusal
        if entry.in_session:
            await self._authorize(exchange, entry, answer.levels)
        return answer.versions

    async def _exchanged(self, exchange: Exchange, rules: Rules, secret: str) -> str:
        """Return the access token of an API key; InvalidApiKey. Before auth is asked about one
        that is not known, it is counted for the address, so that guessing costs no more than that.
        """
        token = self._api_keys.find(secret)
        if token is None:
            question = Question(rules.for_client(self._clients.name(exchange.address)))
            self._charge(exchange, rules, await self._answer(exchange, question, rules))
            token = await self._api_keys.exchange(secret)
        return token

    async def _identify(self, exchange: Exchange, token: str | None) -> Unauthenticated | None:
        """Set the identity, or return why there is none: the request is counted all the same."""
        if token is None:
            return Unauthenticated()
        try:
            exchange.identity = await self._verifier.verify(token)
        except Unauthenticated as refusal:
            return refusal
        exchange.access_token = token
        return None

    async def _count_failure(
        self, exchange: Exchange, rules: Rules, question: Question, status: int
    ) -> None:
        """Charge a request that failed to the limits that it was only checked against."""
        if not is_failure(status, exchange.error):
            return
        unpaid = [limit._replace(charged=True) for limit in question.limits if not limit.charged]
        with suppress(RedisAway):
            await self._gate.ask(Question(unpaid))
            return
        if rules.away is not None:
            self._counters.charge(rules.away, self._local_key(exchange, rules))

    def _question(self, exchange: Exchange, entry: Entry, rules: Rules) -> Question:
        identity = exchange.identity
        if identity is None:
            return Question(self._client_limits(exchange, rules))
        if entry.in_org:
            exchange.org_id = parse_id(exchange.parameters["org_id"])
        scope = {"user_id": str(identity.user_id), "org_id": str(exchange.org_id)}
        tags = expand(entry.tags, scope)
        session = SessionKey(identity.session_id)
        demands = [DemandsKey(exchange.org_id)] if exchange.org_id else []
        if identity.key is not None:
            return Question(rules.for_key(identity.key, session), [session, *demands], tags)
        assert identity.user_id is not None, "who is no key is somebody"
        member = MemberKey(exchange.org_id, identity.user_id) if exchange.org_id else None
        limits = rules.for_user(identity.user_id, member)
        return Question(limits, [session, *([member] if member else []), *demands], tags)

    def _client_limits(self, exchange: Exchange, rules: Rules) -> list[Limit]:
        token = self._credentials.refresh_token(exchange) if rules.session else ""
        session = self._clients.session(token)
        return rules.for_client(self._clients.name(exchange.address), session)

    async def _answer(self, exchange: Exchange, question: Question, rules: Rules) -> Answer:
        try:
            answer = await self._gate.ask(question)
        except RedisAway:
            WITHOUT_REDIS.inc()
            wait = self._charge_here(exchange, rules)
            return Answer(wait, (), dict.fromkeys(question.grants), None)
        self._grants.note(answer.levels)
        return answer

    def _charge_here(self, exchange: Exchange, rules: Rules) -> int:
        if rules.away is None:
            return 0
        ask = self._counters.check if rules.failures_only else self._counters.charge
        return ask(rules.away, self._local_key(exchange, rules))

    def _local_key(self, exchange: Exchange, rules: Rules) -> str:
        return f"{rules.name}:{self._clients.name(exchange.address)}"

    def _charge(self, exchange: Exchange, rules: Rules, answer: Answer) -> None:
        exchange.notes += limit_headers(answer.backlogs)
        if answer.wait_us == 0:
            return
        RATE_LIMITED.labels(rules.name, self._mode).inc()
        if self._mode == "enforce":
            raise RateLimited(retry_after=answer.wait_us / SECOND_US)

    async def _authorize(
        self, exchange: Exchange, entry: Entry, levels: Mapping[GrantKey, int | None]
    ) -> None:
        """Refuse by session and role, then by what the organization demands of its own people.

        The owners are asked for what Redis does not know; Unavailable, DeadlineExceeded.
        """
        seconds = self._seconds if None in levels.values() else None
        try:
            async with asyncio.timeout(seconds):
                await self._require_standing(exchange, entry, levels)
                await self._require_demands(exchange, entry, levels)
        except TimeoutError:
            raise DeadlineExceeded from None

    async def _require_standing(
        self, exchange: Exchange, entry: Entry, levels: Mapping[GrantKey, int | None]
    ) -> None:
        known = await self._complete(levels, entry)
        identity = exchange.identity
        assert identity is not None
        live = known[SessionKey(identity.session_id)] > 0
        if identity.key is not None:
            for policy in entry.policies:
                require_scope(policy, identity.key, exchange.org_id, live=live)
            return
        assert identity.user_id is not None
        if exchange.org_id is not None:
            exchange.role = Role(known[MemberKey(exchange.org_id, identity.user_id)])
        for policy in entry.policies:
            require_session(policy, authenticated=True, live=live)
            require_role(policy, exchange.role)

    async def _require_demands(
        self, exchange: Exchange, entry: Entry, levels: Mapping[GrantKey, int | None]
    ) -> None:
        identity = exchange.identity
        assert identity is not None
        demands = await self._demands(exchange.org_id, entry, levels)
        for policy in entry.policies:
            require_network(policy, demands, exchange.address)
            if identity.key is None:
                require_proof(policy, demands, identity.methods, identity.auth_time)
                require_recent(policy, identity.auth_time)

    async def _demands(
        self, org_id: UUID | None, entry: Entry, levels: Mapping[GrantKey, int | None]
    ) -> Demands:
        """Return what the organization demands. Tenancy is asked only once the caller is known to
        belong there: strangers do not learn by the time it takes whether it exists.
        """
        if org_id is None:
            return NOTHING
        key = DemandsKey(org_id)
        version = levels[key]
        if version is None:
            version = await self._level(key, entry)
        return await self._grants.demands_in(org_id, version)

    async def _complete(
        self, levels: Mapping[GrantKey, int | None], entry: Entry
    ) -> Mapping[GrantKey, int]:
        """Ask the owners for what Redis does not know of session and role."""
        known = {key: level for key, level in levels.items() if level is not None}
        missing = [key for key in levels if key not in known and not isinstance(key, DemandsKey)]
        if not missing:
            return known
        answers = await asyncio.gather(*(self._level(key, entry) for key in missing))
        return known | dict(zip(missing, answers, strict=True))

    async def _level(self, key: GrantKey, entry: Entry) -> int:
        try:
            return await self._owned[type(key)].get(key)
        except NobodyKnows as error:
            return self._grants.stale(key, error, reads=entry.reads)

    async def _ask_owners(self, keys: Sequence[GrantKey]) -> Mapping[GrantKey, int]:
        return await self._grants.ask(keys, self._gate.run)
