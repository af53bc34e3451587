"""What every call passes before and after a service's own code: identity, policy, audit."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import grpc
import structlog
from google.protobuf.message import Message

from tenon_core import clock
from tenon_core.accounts import acting_for
from tenon_core.errors import Code, NotFound, TenonError, Unauthenticated
from tenon_core.events import Event
from tenon_core.ids import parse_id, uuid7
from tenon_db.accesses import AccessKey, AccessLog
from tenon_policy.accounts import AccountBook
from tenon_policy.audit_clients import MAX_USER_AGENT, Client
from tenon_policy.authorization import (
    require_network,
    require_peer,
    require_proof,
    require_recent,
    require_role,
    require_scope,
    require_session,
)
from tenon_policy.call import Call
from tenon_policy.grants import Grants
from tenon_policy.policies import AUTHENTICATED, UPDATE_MASK, Access, MethodPolicy
from tenon_policy.tags import Tags, expand
from tenon_policy.tokens import Identity, TokenVerifier
from tenon_rpc.resources import Resource
from tenon_rpc.tls import peer_name

AUTHORIZATION = "authorization"
REQUEST_ID = "x-tenon-request-id"
CLIENT_ADDRESS = "x-tenon-client-address"
USER_AGENT = "x-tenon-user-agent-bin"
GATEWAY = "gateway"
"""The certificate of those who know where a client is, and are believed."""
BEARER = "Bearer "
REFUSED = frozenset({Code.UNAUTHENTICATED, Code.PERMISSION_DENIED, Code.NOT_FOUND})

log = structlog.get_logger()

_current: ContextVar[Call] = ContextVar("tenon_call")


def current_call() -> Call:
    """Return the call that is being served; only `rpc.py` asks, and passes it on."""
    return _current.get()


class NotAudited(TenonError):
    """The method wrote without leaving an audit record, or updated without saying in it what
    changed. This is a defect of the service.
    """

    reason = "not_audited"


@dataclass(frozen=True, slots=True)
class Watch:
    """A call that was let in. `account` must be awaited before the first reply, `recheck` while a
    stream goes on: it raises once the caller's session or role is gone, or is not enough any more.
    """

    account: Callable[[], Awaitable[None]]
    recheck: Callable[[], Awaitable[None]]


class Guard:
    """Lets a call in by its policy, and accounts for it before its reply goes out."""

    def __init__(
        self,
        verifier: TokenVerifier,
        grants: Grants,
        accesses: AccessLog,
        tags: Tags,
        accounts: AccountBook,
    ) -> None:
        self._verifier = verifier
        self._grants = grants
        self._accesses = accesses
        self._tags = tags
        self._accounts = accounts
        self.stopping = False
        """The server will stop soon; replies say so."""

    @asynccontextmanager
    async def watched(
        self,
        policy: MethodPolicy,
        context: grpc.aio.ServicerContext[Any, Any],
        request: Message,
        resource: Resource,
    ) -> AsyncIterator[Watch]:
        """Admit the call, or raise why not; what is to be done for it meanwhile is yielded."""
        call = await self._admit(policy, context, request)
        token = _current.set(call)
        try:
            with acting_for(call.account_id):
                async with self._stale_afterwards(call, request):
                    yield Watch(
                        account=lambda: self._account(call, request, resource),
                        recheck=lambda: self._require_grants(call),
                    )
        finally:
            _current.reset(token)

    def _stale_afterwards(self, call: Call, request: Message) -> AbstractAsyncContextManager[None]:
        """See to it that no cache answers with what the call is about to change."""
        if not call.policy.invalidates:
            return nullcontext()
        values = _tag_values(call, request)
        unknown = [f"{{{name}}}" for name, value in values.items() if value is None]
        templates = [
            template
            for template in call.policy.invalidates
            if not any(name in template for name in unknown)
        ]
        return self._tags.written(expand(templates, values))

    async def _admit(
        self, policy: MethodPolicy, context: grpc.aio.ServicerContext[Any, Any], request: Message
    ) -> Call:
        metadata = dict(context.invocation_metadata() or ())
        call = Call(
            request_id=str(metadata.get(REQUEST_ID) or uuid7()),
            policy=policy,
            peer=peer_name(context.auth_context()),
        )
        if call.peer == GATEWAY:
            call.client = _client(metadata)
        require_peer(policy, call.peer)
        if policy.access in AUTHENTICATED:
            identity = await self._identity(metadata.get(AUTHORIZATION))
            call.user_id, call.session_id = identity.user_id, identity.session_id
            call.auth_time, call.key = identity.auth_time, identity.key
            call.methods, call.audit_key = identity.methods, identity.audit_key
        call.org_id = parse_id(getattr(request, "org_id", ""))
        await self._require_grants(call)
        require_recent(policy, call.auth_time)
        call.account_id = await self._account_of(call)
        return call

    async def _account_of(self, call: Call) -> UUID | None:
        if call.policy.access is Access.ORG and call.org_id:
            return await self._accounts.find(call.org_id)
        return call.user_id

    async def _identity(self, authorization: str | bytes | None) -> Identity:
        if not isinstance(authorization, str) or not authorization.startswith(BEARER):
            raise Unauthenticated
        return await self._verifier.verify(authorization.removeprefix(BEARER))

    async def _require_grants(self, call: Call) -> None:
        """Refuse who has no live session, or too little right, now: a long call asks again.

        Nobody is refused by what this process remembers, but by what holds now: who was given a
        right a moment ago has it.
        """
        if call.session_id is None:
            return
        try:
            await self._require(call, call.session_id, fresh=False)
        except TenonError as refusal:
            if refusal.code not in REFUSED:
                raise
            await self._require(call, call.session_id, fresh=True)

    async def _require(self, call: Call, session_id: UUID, *, fresh: bool) -> None:
        reads = not call.policy.writes
        live = await self._grants.is_live(session_id, reads=reads, fresh=fresh)
        if call.key is not None:
            require_scope(call.policy, call.key, call.org_id, live=live)
        else:
            require_session(call.policy, authenticated=True, live=live)
        if call.policy.access is Access.ORG:
            await self._require_standing(call, reads=reads, fresh=fresh)

    async def _require_standing(self, call: Call, *, reads: bool, fresh: bool) -> None:
        """Refuse who is too little in the organization, or not as it demands."""
        if call.org_id is None:
            raise NotFound
        if call.key is not None:
            call.role = call.key.role
            demands = await self._grants.demands(call.org_id, reads=reads, fresh=fresh)
            require_network(call.policy, demands, call.address)
            return
        call.role, demands = await self._grants.membership(
            call.org_id, call.user, reads=reads, fresh=fresh
        )
        require_role(call.policy, call.role)
        require_network(call.policy, demands, call.address)
        require_proof(call.policy, demands, call.methods, call.auth_time)

    async def _account(self, call: Call, request: Message, resource: Resource) -> None:
        policy = call.policy
        if policy.writes and policy.audit and not call.audited:
            log.error("a write left no audit record", method=policy.method)
            raise NotAudited
        if call.is_recorded and not _has_changes(call, request):
            log.error("the audit record of an update lacks its changes", method=policy.method)
            raise NotAudited
        if not policy.writes and policy.audit:
            await self._record_read(call, resource(request))

    async def _record_read(self, call: Call, resource: str) -> None:
        at = clock.now()

        def record(count: int) -> Event:
            return call.access(resource, count=count, at=at)

        key = AccessKey(
            org_id=call.org_id,
            session_id=call.session_id,
            peer=call.peer,
            method=call.policy.method,
            resource=resource,
            client=call.sealed_client.digest,
            minute=clock.minute_of(at),
        )
        await self._accesses.record(key, record)


def _client(metadata: Mapping[str, str | bytes]) -> Client:
    """Read who calls, as the gateway says."""
    agent = metadata.get(USER_AGENT, b"")
    text = agent if isinstance(agent, str) else agent.decode("utf-8", "replace")
    return Client(str(metadata.get(CLIENT_ADDRESS, "")), text[:MAX_USER_AGENT])


def _has_changes(call: Call, request: Message) -> bool:
    """Say whether the record of an update compares every field that the request may change."""
    if not call.policy.updates:
        return True
    mask = getattr(request, UPDATE_MASK, None)
    wanted = mask.paths if mask is not None else ()
    return call.compared is not None and call.compared.issuperset(wanted)


def _tag_values(call: Call, request: Message) -> dict[str, UUID | None]:
    """Return the ids that a tag's template may name: the request's user, or else the caller's.

    None for a field that is not an id: nothing is cached for it, and a client must not choose the
    names of keys in Redis.
    """
    user_id = getattr(request, "user_id", "")
    return {"user_id": parse_id(user_id) if user_id else call.user_id, "org_id": call.org_id}
